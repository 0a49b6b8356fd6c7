"""The page: drop images, see what is found, move the threshold, mark. The one module that imports Gradio.

A visit has three values: the images that were dropped (`seen`), which of them is shown (`at`), and the threshold. Each event
changes some of them, and `visit.visible` makes everything that is seen from them.
"""

import html
import shutil
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from anomaly_lab.app import words
from anomaly_lab.app.decide import Judge, Judged
from anomaly_lab.app.guard import FILE
from anomaly_lab.app.marks import DEFECTIVE, NORMAL, Marks
from anomaly_lab.app.visit import FOUND, PLAIN, slider, visible
from anomaly_lab.data.names import IMAGE_SUFFIXES
from anomaly_lab.errors import UserError, in_words

MOST = 200  # images in a visit; for more there is `predict`
ROOM = 16 * 2**20  # bytes for what an event shows: Gradio writes its pictures to the disk
CHOOSE = """element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-at]");
  if (button) trigger("select", {at: Number(button.dataset.at)});
})"""
HERE = Path(__file__).parent
FONTS = ["system-ui", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif"]  # of the system: none is loaded


class Page:
    """What the page's events do. `thumbs`: a folder for small pictures."""

    def __init__(self, judge: Judge, marks: Marks, thumbs: Path) -> None:
        self.judge, self.marks, self.thumbs, self.slider = judge, marks, thumbs, slider(judge)

    def dropped(
        self,
        files: Sequence[str] | None,
        seen: list[Judged],
        given: Any,
        what: str,
        progress: Any = gr.Progress(),  # noqa: B008
    ) -> Iterator[tuple[Any, ...]]:
        """Score dropped images one by one. The first is shown at once, the others when all are done.

        `seen` grows in place: who drops more while images are scored loses none.
        """
        fresh, first = [Path(file) for file in files or ()], len(seen)
        for i, path in enumerate(fresh):
            if len(seen) >= MOST:
                gr.Warning(f"a visit has room for {MOST} images: use python -m anomaly_lab.predict for more")
                break
            progress((i, len(fresh)), desc="Scoring")
            seen.append(self.judge.judge(path, path.name))
            if i == 0:
                yield None, *self.shown(seen, first, given, what)
        yield None, *self.shown(seen, max(0, min(first, len(seen) - 1)), given, what)

    def stepped(self, by: int) -> Callable[..., tuple[Any, ...]]:
        """The event that shows the next image, or the one before."""

        def step(seen: list[Judged], at: int, given: Any, what: str) -> tuple[Any, ...]:
            return self.shown(seen, (at + by) % len(seen) if seen else 0, given, what)

        return step

    def chosen(self, seen: list[Judged], given: Any, what: str, event: gr.EventData) -> tuple[Any, ...]:
        """Show the image that was clicked."""
        at = getattr(event, "at", 0)
        return self.shown(seen, at if at in range(len(seen)) else 0, given, what)

    def marked(self, kind: str | None) -> Callable[..., tuple[Any, ...]]:
        """The event that marks the image that is shown, or takes its mark away."""

        def mark(seen: list[Judged], at: int, given: Any, what: str) -> tuple[Any, ...]:
            if seen and seen[at].error is None:
                try:
                    self.marks.mark(seen[at], kind)
                except (OSError, UserError) as error:  # a full disk
                    gr.Warning(html.escape(in_words(error)))
            return self.shown(seen, at, given, what)

        return mark

    def shown(self, seen: list[Judged], at: int, given: Any, what: str) -> tuple[Any, ...]:
        """The visit's values, and all that is visible. gr.Error on a full disk, where nothing can be shown."""
        try:
            room = shutil.disk_usage(self.marks.out).free
        except OSError as error:
            raise gr.Error(html.escape(in_words(error)), print_exception=False) from error
        if room < ROOM:
            said = f"{self.marks.out} has no room for pictures: free {ROOM // 2**20} MiB and go on; the marks so far are kept"
            raise gr.Error(html.escape(said), print_exception=False)
        found = visible(self.judge, self.marks, self.thumbs, seen, at, self.slider.threshold(given), what)
        return seen, at, *found


def mount(app: Any, judge: Judge, marks: Marks, thumbs: Path) -> None:
    """Put the page into a FastAPI application, at its root."""
    blocks = _blocks(Page(judge, marks, thumbs))
    gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        show_error=False,
        max_file_size=FILE,
        theme=gr.themes.Base(primary_hue="teal", neutral_hue="slate", font=FONTS, font_mono=["ui-monospace", "monospace"]),
        css=(HERE / "page.css").read_text(encoding="utf-8"),
        head=f"<script>{(HERE / 'page.js').read_text(encoding='utf-8')}</script>",
    )


def _blocks(page: Page) -> gr.Blocks:
    judge = page.judge
    with gr.Blocks(title=f"{judge.category} · anomaly_lab", analytics_enabled=False, delete_cache=(3600, 86400)) as blocks:
        seen, at = gr.State([]), gr.State(0)
        gr.HTML(words.heading(judge.category, judge.run), elem_id="heading")
        with gr.Row(equal_height=False):
            with gr.Column(scale=7, min_width=420):
                picture = gr.Image(
                    elem_id="picture", show_label=False, interactive=False, buttons=["fullscreen", "download"], format="webp",
                    height="56vh", alt_text="the image with what was found",
                )  # fmt: skip
                with gr.Row(elem_id="actions"):
                    back = gr.Button("←", elem_id="back", size="sm", min_width=40, scale=0)
                    onward = gr.Button("→", elem_id="onward", size="sm", min_width=40, scale=0)
                    what = gr.Radio(
                        [FOUND, PLAIN], value=FOUND, show_label=False, container=False, elem_id="what", min_width=260
                    )
                    normal = gr.Button("it is normal (N)", elem_id="mark-normal", size="sm", min_width=120)
                    defective = gr.Button("it is defective (D)", elem_id="mark-defective", size="sm", min_width=120)
                    unmark = gr.Button("no mark (U)", elem_id="unmark", size="sm", min_width=90, scale=0)
                verdict = gr.HTML(elem_id="verdict")
                strip = gr.HTML(elem_id="strip", js_on_load=CHOOSE)
            with gr.Column(scale=4, min_width=360):
                drop = gr.File(
                    label="images", file_count="multiple", file_types=sorted(IMAGE_SUFFIXES), height=130, elem_id="drop"
                )
                # Gradio would fetch an address that a request names instead of a file
                drop.async_move_resource_to_block_cache = _uploaded(drop.async_move_resource_to_block_cache)  # type: ignore
                with gr.Column(elem_classes="card"):
                    figure = gr.HTML(elem_id="histogram")
                    threshold = gr.Slider(
                        *page.slider[:2], value=page.slider.own, step=page.slider.step, precision=page.slider.digits,
                        label="threshold", elem_id="threshold", container=False, buttons=["reset"],
                    )  # fmt: skip
                    rate = gr.HTML(elem_id="rate")
                with gr.Column(elem_classes="card"):
                    tally = gr.HTML(elem_id="tally")
                    what_for = gr.HTML(elem_id="what-for")
                    command = gr.Code(
                        language="shell", show_label=False, interactive=False, show_line_numbers=False, wrap_lines=True,
                        lines=1, elem_id="command", container=False, buttons=["copy"],
                    )  # fmt: skip
        shown = [seen, at, picture, verdict, figure, rate, strip, tally, what_for, command]
        visit = [seen, at, threshold, what]
        one: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": 4}
        drop.upload(page.dropped, [drop, seen, threshold, what], [drop, *shown], **one | {"show_progress": "minimal"})
        strip.select(page.chosen, [seen, threshold, what], shown, **one)
        threshold.change(page.shown, visit, shown, trigger_mode="always_last", **one)
        what.change(page.shown, visit, shown, trigger_mode="always_last", **one)
        blocks.load(page.shown, visit, shown, **one)
        for button, event in (
            (back, page.stepped(-1)),
            (onward, page.stepped(1)),
            (normal, page.marked(NORMAL)),
            (defective, page.marked(DEFECTIVE)),
            (unmark, page.marked(None)),
        ):
            button.click(event, visit, shown, **one)
    return blocks


def _uploaded(move: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
    """`move`, which takes files that were uploaded, and gr.Error for an address."""

    async def only(given: Any) -> Any:
        if "://" in str(given):
            raise gr.Error("send an image, not an address", print_exception=False)
        return await move(given)

    return only

"""One of several processes that train a run together: DIRECTORY PROCESSES REASON PARENT, and its rank in the environment.

Started by `distributed.train`, which reads the exit status: 130 after Ctrl-C; REASON is a file for a user's mistake.
"""

import contextlib
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import lightning as L
from omegaconf import DictConfig, OmegaConf

from anomaly_lab import continuation, launchers, pipeline
from anomaly_lab.allocator import keep_freed_memory
from anomaly_lab.assembly import datamodule, lightning_module, make_loggers, make_trainer, quiet
from anomaly_lab.errors import UserError


def main() -> None:
    """Train, and end as `distributed.train` expects it."""
    directory, processes, reason, parent = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    _end_with(parent)
    config: Any = OmegaConf.load(directory / "config.yaml")
    # what the whole run may use was recorded at its start
    threads = max(1, (continuation.stored_threads(directory) or launchers.cores()) // processes)
    try:
        train_share(config, directory, threads)
    except UserError as error:
        with contextlib.suppress(FileExistsError), reason.open("x", encoding="utf-8") as file:
            file.write(str(error))
        raise SystemExit(1) from None
    except (KeyboardInterrupt, SystemExit):  # Lightning makes the one of the other
        raise SystemExit(130) from None
    except Exception:
        time.sleep(2)
        if not reason.is_file():  # else another process has failed, and this one has only lost touch with it
            raise
        raise SystemExit(1) from None


def train_share(config: DictConfig, directory: Path, threads: int) -> None:
    """This process's share of the training of the run in `directory`, up to the last checkpoint."""
    quiet()
    keep_freed_memory()
    launchers.set_threads(None, threads)
    L.seed_everything(config.seed, workers=True, verbose=False)
    data = datamodule(config, threads)
    data.setup()
    loggers = make_loggers(config, directory)
    try:
        trainer = make_trainer(config, directory, loggers, [])
        pipeline.fit(config, trainer, lightning_module(config, data), data, directory, resuming=True)
    finally:
        pipeline.close(loggers)


def _end_with(parent: int) -> None:
    """End this process when its parent has: nobody would wait for it."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main()

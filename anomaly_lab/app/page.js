// Keys: N normal, D defective, U no mark, arrows for the image before and the next one; not while something is typed.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, [contenteditable]")) return;
  const button = { n: "mark-normal", d: "mark-defective", u: "unmark", ArrowLeft: "back", ArrowRight: "onward" };
  const id = button[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!id) return;
  event.preventDefault();
  document.getElementById(id)?.click();
});

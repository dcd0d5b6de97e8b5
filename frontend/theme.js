// A classic script in the head: the reader's theme is known before the first paint.
try {
  const theme = localStorage.getItem("footfall.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is blocked: the system's theme is right.
}

// Runs before the first paint, so that a chosen theme does not flash in the other one. It is a file
// of its own because the content security policy allows no inline script.
(function () {
  try {
    var theme = localStorage.getItem('portico-theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch (e) {
    // Storage may be forbidden; the system's theme is used then.
  }
})();

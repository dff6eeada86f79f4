function() {
  // One id for everything that happens on this page load.
  window.ctxPageLoadId = window.ctxPageLoadId ||
    new Date().getTime().toString(36) + Math.random().toString(36).slice(2, 8);
  return window.ctxPageLoadId;
}

(function (w) {
  'use strict';
  if (!w.fbq) { return; }
  w.fbq('track', @@event, {{CTX - Meta parameters}}, {eventID: {{CTX - Event id}}});
}(window));

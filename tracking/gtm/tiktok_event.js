(function (w) {
  'use strict';
  if (!w.ttq) { return; }
  w.ttq.track(@@event, {{CTX - TikTok parameters}}, {event_id: {{CTX - Event id}}});
}(window));

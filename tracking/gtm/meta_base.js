(function (w, d) {
  'use strict';
  if (w.ctxMetaReady) { return; }
  w.ctxMetaReady = true;
  if (!w.fbq) {
    var fbq = w.fbq = function () {
      if (fbq.callMethod) { fbq.callMethod.apply(fbq, arguments); } else { fbq.queue.push(arguments); }
    };
    w._fbq = w._fbq || fbq;
    fbq.push = fbq;
    fbq.loaded = true;
    fbq.version = '2.0';
    fbq.queue = [];
    var script = d.createElement('script');
    script.async = true;
    script.src = 'https://connect.facebook.net/en_US/fbevents.js';
    d.head.appendChild(script);
  }
  w.fbq('init', {{CTX - Meta pixel id}});
  w.fbq('track', 'PageView', {}, {eventID: 'page_view-' + {{CTX - Page load id}}});
}(window, document));

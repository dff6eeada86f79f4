(function (w, d) {
  'use strict';
  if (w.ctxTikTokReady) { return; }
  w.ctxTikTokReady = true;
  var pixel = {{CTX - TikTok pixel id}};
  if (!w.ttq) {
    var ttq = w.ttq = [];
    w.TiktokAnalyticsObject = 'ttq';
    ttq.methods = ['page', 'track', 'identify', 'instances', 'on', 'off', 'once', 'ready', 'enableCookie', 'disableCookie'];
    ttq.setAndDefer = function (target, method) {
      target[method] = function () { target.push([method].concat([].slice.call(arguments))); };
    };
    for (var i = 0; i < ttq.methods.length; i++) { ttq.setAndDefer(ttq, ttq.methods[i]); }
    ttq._i = {};
    ttq._t = {};
    ttq._o = {};
    ttq._i[pixel] = [];
    ttq._i[pixel]._u = 'https://analytics.tiktok.com/i18n/pixel/events.js';
    ttq._t[pixel] = new Date().getTime();
    ttq._o[pixel] = {};
    var script = d.createElement('script');
    script.async = true;
    script.src = 'https://analytics.tiktok.com/i18n/pixel/events.js?sdkid=' + encodeURIComponent(pixel) + '&lib=ttq';
    d.head.appendChild(script);
  }
  w.ttq.page();
}(window, document));

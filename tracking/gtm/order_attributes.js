// What the shop saves with an order, for shops whose script is not in the page itself. It reads only, and must be there after
// a refusal too: the refusal has to reach the order.
(function (w, config) {
  'use strict';
@@include_cookies
@@include_attributes
  w.ctxAttributes = function () { return ctxAttributes(config.policy); };
}(window, {policy: {{CTX - Consent policy version}}}));

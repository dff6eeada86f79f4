// VTEX: tells the data layer what happens in the shop and saves the ctx_* attributes with the orderForm.
//
// Install it ONCE in shop and checkout: as a Custom HTML tag in Tag Manager (DOM Ready, all pages), or in the theme and in
// checkout6-custom.js. Before the first order, register the app that keeps the attributes (VTEX Admin or API,
// /api/checkout/pvt/configuration/orderForm): {"apps": [{"id": "cortex", "major": 1, "fields": [@@field_names]}]}.
// They arrive with the order in customData.customApps.
//
// What rests on VTEX's published pages: customData of the orderForm, prices in cents, orderGroup as the id of a purchase.
// What MUST BE VERIFIED in this shop (VERIFY):
//   1 the names of the store's events (`vtex:productView`, `vtex:addToCart` …), which apps and themes send as messages;
//   2 that vtexjs.checkout is there in the checkout, and the checkout's addresses;
//   3 that the confirmation page sends orderPlaced into the data layer, with the orderGroup as transactionId;
//   4 that item ids are those of the Meta catalogue and Merchant Center (product id here, SKU as variant);
//   5 that VTEX's own Tag Manager app does not tell the same events to the same container.
(function (w, d, config) {
  'use strict';
  if (w.ctxDataLayer) { return; }
  w.ctxDataLayer = true;
@@include_cookies
@@include_attributes
@@include_layer
@@include_save

  function orderForm() { return (w.vtexjs && w.vtexjs.checkout && w.vtexjs.checkout.orderForm) || null; } // VERIFY 2

  function currencyOf(form) {
    return (form && form.storePreferencesData && form.storePreferencesData.currencyCode) || config.currency;
  }

  function cartItems(form) {
    var found = [];
    var items = (form && form.items) || [];
    for (var i = 0; i < items.length; i++) {
      found.push({
        item_id: String(items[i].productId || items[i].id), item_variant: String(items[i].id), // VERIFY 4
        item_name: String(items[i].name || ''), price: money(items[i].sellingPrice), quantity: Number(items[i].quantity) || 1, index: i
      });
    }
    return found;
  }

  // --- the shop: messages of the storefront -------------------------------------------------------------------------------
  function offer(product) {
    var sku = product.selectedSku || (product.items || [])[0] || {};
    var seller = (sku.sellers || [])[0] || {};
    return {sku: sku, price: Number((seller.commertialOffer || {}).Price) || 0};
  }

  function viewed(told) {
    var product = told.product;
    var chosen = offer(product);
    var item = {
      item_id: String(product.productId), item_name: String(product.productName || ''), price: chosen.price, quantity: 1, index: 0
    };
    if (chosen.sku.itemId) { item.item_variant = String(chosen.sku.itemId); }
    if (product.brand) { item.item_brand = String(product.brand); }
    tell('view_item', basket([item], told.currency || config.currency));
  }

  function listed(told) {
    var items = [];
    var seen = told.impressions || [];
    for (var i = 0; i < seen.length && i < 50; i++) {
      items.push({item_id: String(seen[i].product.productId), item_name: String(seen[i].product.productName || ''), index: i});
    }
    if (items.length) { tell('view_item_list', {currency: told.currency || config.currency, items: items}); }
  }

  function added(told) {
    var items = [];
    var put = told.items || [];
    for (var i = 0; i < put.length; i++) {
      items.push({
        item_id: String(put[i].productId), item_variant: String(put[i].skuId), item_name: String(put[i].name || ''),
        price: money(put[i].price), quantity: Number(put[i].quantity) || 1, index: i
      });
    }
    if (items.length) { tell('add_to_cart', basket(items, told.currency || config.currency)); }
  }

  w.addEventListener('message', function (event) {
    var told = event.data || {};
    if (event.origin !== w.location.origin) { return; }
    if (told.eventName === 'vtex:productView' && told.product) { viewed(told); } // VERIFY 1
    if (told.eventName === 'vtex:productImpression') { listed(told); }
    if (told.eventName === 'vtex:addToCart') { added(told); }
  });

  // --- the checkout: one page whose part after # changes -------------------------------------------------------------------
  var STEPS = [['#/cart', 'view_cart'], ['#/email', 'begin_checkout'], ['#/profile', 'begin_checkout'],
    ['#/shipping', 'add_shipping_info'], ['#/payment', 'add_payment_info']]; // VERIFY 2
  var told = {};
  function step() {
    var form = orderForm();
    if (!form || !/^\/checkout\/?$/.test(w.location.pathname)) { return; }
    for (var i = 0; i < STEPS.length; i++) {
      var event = STEPS[i][1];
      if (w.location.hash.indexOf(STEPS[i][0]) === 0 && !told[event]) {
        var items = cartItems(form);
        if (items.length) { told[event] = true; tell(event, basket(items, currencyOf(form))); }
      }
    }
  }

  var purchased = {};
  function placed() {
    for (var i = 0; i < layer.length; i++) {
      var said = layer[i] || {};
      if (said.event !== 'orderPlaced' || !said.transactionId || purchased[said.transactionId]) { continue; } // VERIFY 3
      purchased[said.transactionId] = true;
      var items = [];
      var bought = said.transactionProducts || [];
      for (var j = 0; j < bought.length; j++) {
        items.push({
          item_id: String(bought[j].id), item_variant: String(bought[j].sku), item_name: String(bought[j].name || ''),
          price: Number(bought[j].sellingPrice || bought[j].price) || 0, quantity: Number(bought[j].quantity) || 1, index: j
        });
      }
      var ecommerce = {
        transaction_id: String(said.transactionId), currency: said.transactionCurrency || config.currency,
        value: Number(said.transactionTotal) || 0, shipping: Number(said.transactionShipping) || 0, items: items
      };
      if (said.coupon) { ecommerce.coupon = String(said.coupon); }
      tell('purchase', ecommerce);
    }
  }

  // --- order attributes -----------------------------------------------------------------------------------------------------
  var saved = '';
  function save() {
    var form = orderForm();
    var attributes = ctxAttributes(config.policy);
    var text = JSON.stringify(attributes);
    if (!form || !form.orderFormId || text === saved || text === '{}') { return; }
    saved = text;
    var where = '/api/checkout/pub/orderForm/' + encodeURIComponent(form.orderFormId) + '/customData/cortex';
    ask('PUT', where, whole(attributes), function (said) { if (!said) { saved = ''; } });
  }

  function look() { step(); placed(); save(); }
  look();
  w.setInterval(look, 500);
}(window, document, {policy: @@policy, currency: @@currency}));

// Nuvemshop: tells the data layer what happens in the shop and saves the ctx_* attributes with the order.
//
// Install it ONCE, on every page of the shop and of the checkout, in the page itself: as a Custom HTML tag in Tag Manager
// (trigger: DOM Ready, all pages), in the field for external codes of the admin, or in the theme. An app written with
// NubeSDK runs in a Web Worker, without `window`, and cannot do this.
//
// What rests on Nuvemshop's published pages: the LS object (LS.product, LS.category, LS.cart with prices in cents, LS.order on
// the thank-you page) and order attributes through fields named extra[key] in the cart's form.
// What MUST BE VERIFIED in this shop's theme, because themes differ (each place below is marked VERIFY):
//   1 the selectors of the buy button, the product form and the cart's form;
//   2 the paths of cart and checkout, and whether the checkout runs scripts at all on the shop's plan;
//   3 the names of price and id inside LS.variants;
//   4 whether item ids are the ids of the product catalogue in Meta and Merchant Center.
// Purchases that skip the cart's form (express checkout, payment links, WhatsApp) carry no attributes: for those Cortex reads
// the landing page and UTM that Nuvemshop keeps itself.
(function (w, d, config) {
  'use strict';
  if (w.ctxDataLayer) { return; }
  w.ctxDataLayer = true;
@@include_cookies
@@include_attributes
@@include_layer

  var CART = /^\/(comprar|carrinho|cart)\/?$/;                        // VERIFY 2
  var CHECKOUT = /^\/checkout\//;                                     // VERIFY 2
  var PAYMENT = /^\/checkout\/.*\/(next|payment|pagamento)(\/|$)/;    // VERIFY 2
  var THANK_YOU = /^\/checkout\/.*\/success(\/|$)/;                   // VERIFY 2
  var BUY = '.js-addtocart, [data-component="product.add-to-cart"]';  // VERIFY 1
  var CART_FORM = '[name="go_to_checkout"], [data-component="cart.checkout-button"]'; // VERIFY 1
  var LISTED = '.js-item-product[data-product-id], .js-product-container[data-product-id]'; // VERIFY 1
  var PAYMENT_CHOICE = '[data-payment-method], input[name*="payment"]'; // VERIFY 1

  function shop() { return w.LS || {}; }

  function currency() {
    var told = shop().currency;
    return (told && (told.code || (typeof told === 'string' && told))) || config.currency;
  }

  function cartItems() {
    var items = (shop().cart || {}).items || [];
    var found = [];
    for (var i = 0; i < items.length; i++) {
      found.push({
        item_id: String(items[i].product_id || items[i].id),          // VERIFY 4: `id` is the variant
        item_variant: String(items[i].id),
        item_name: String(items[i].name || ''),
        price: money(items[i].unit_price),
        quantity: Number(items[i].quantity) || 1,
        index: i
      });
    }
    return found;
  }

  function cart() {
    return basket(cartItems(), currency());
  }

  function variants() {
    var told = shop().variants || [];
    try { return typeof told === 'string' ? JSON.parse(told) : told; } catch (broken) { return []; }
  }

  function product(quantity) {
    var told = shop().product;
    if (!told || !told.id) { return null; }
    var variant = variants()[0] || {};
    var price = Number(variant.price_number) || 0;                    // VERIFY 3
    var item = {item_id: String(told.id), item_name: String(told.name || ''), price: price, quantity: quantity, index: 0};
    if (variant.id) { item.item_variant = String(variant.id); }
    return basket([item], currency());
  }

  function listing() {
    var nodes = d.querySelectorAll(LISTED);
    var items = [];
    for (var i = 0; i < nodes.length && i < 50; i++) {
      var name = nodes[i].querySelector('.js-item-name');             // VERIFY 1
      items.push({
        item_id: nodes[i].getAttribute('data-product-id'),
        item_name: name ? name.textContent.trim().slice(0, 100) : '',
        index: i
      });
    }
    var category = shop().category;
    return {
      currency: currency(), items: items,
      item_list_id: String(category.id || ''), item_list_name: String(category.name || '')
    };
  }

  function order() {
    var told = shop().order;
    var ecommerce = {
      transaction_id: String(told.id), currency: currency(), value: money(told.total), items: cartItems()
    };
    var coupon = [].concat(told.coupon || [])[0];
    if (coupon) { ecommerce.coupon = String(coupon); }
    return ecommerce;
  }

  // --- events of a page -------------------------------------------------------------------------------------------------
  var purchased = false;
  function arrive(path) {
    var viewed = product(1);
    if (THANK_YOU.test(path)) { return; }
    if (PAYMENT.test(path)) { tell('add_shipping_info', cart()); return; }
    if (CHECKOUT.test(path)) { tell('begin_checkout', cart()); return; }
    if (CART.test(path)) { tell('view_cart', cart()); return; }
    if (viewed) { tell('view_item', viewed); return; }
    if (shop().category) {
      var listed = listing();
      if (listed.items.length) { tell('view_item_list', listed); }
    }
  }

  // The checkout changes pages without loading them, and LS.order may come after the page: look twice a second.
  var seen = null;
  function look() {
    if (w.location.pathname !== seen) {
      seen = w.location.pathname;
      arrive(seen);
    }
    // A reload tells the purchase again; the order id makes every platform keep one.
    if (!purchased && THANK_YOU.test(seen) && shop().order && shop().order.id) {
      purchased = true;
      tell('purchase', order());
    }
    save();
  }

  // --- what a person does -----------------------------------------------------------------------------------------------
  var lastAdd = 0;
  d.addEventListener('click', function (event) {
    var button = event.target.closest ? event.target.closest(BUY) : null;
    var now = new Date().getTime();
    if (!button || button.disabled || now - lastAdd < 500) { return; }
    lastAdd = now;
    var form = button.closest('form');
    var field = form && form.querySelector('[name="quantity"]');
    var added = product(Math.max(1, Number(field && field.value) || 1));
    if (added) { tell('add_to_cart', added); }
  }, true);

  var payment = false;
  d.addEventListener('change', function (event) {
    if (payment || !PAYMENT.test(w.location.pathname)) { return; }
    if (event.target.matches && event.target.matches(PAYMENT_CHOICE)) {
      payment = true;
      tell('add_payment_info', cart());
    }
  }, true);

  // --- order attributes -------------------------------------------------------------------------------------------------
  function fill(form, attributes) {
    var old = form.querySelectorAll('input[name^="extra[ctx_"]');
    for (var i = 0; i < old.length; i++) {
      // A choice taken back on this page takes the ids of the page with it.
      if (!(old[i].name.slice(6, -1) in attributes)) { old[i].parentNode.removeChild(old[i]); }
    }
    for (var key in attributes) {
      if (!Object.prototype.hasOwnProperty.call(attributes, key)) { continue; }
      var name = 'extra[' + key + ']';
      var field = form.querySelector('input[name="' + name + '"]');
      if (!field) {
        field = d.createElement('input');
        field.type = 'hidden';
        field.name = name;
        form.appendChild(field);
      }
      field.value = attributes[key];
    }
  }

  // Themes draw the cart again after every change, so the fields are put back each time.
  function save() {
    var buttons = d.querySelectorAll(CART_FORM);
    if (!buttons.length) { return; }
    var attributes = ctxAttributes(config.policy);
    for (var i = 0; i < buttons.length; i++) {
      var form = buttons[i].form || buttons[i].closest('form');
      if (form) { fill(form, attributes); }
    }
  }
  d.addEventListener('submit', save, true);

  look();
  w.setInterval(look, 500);
}(window, document, {policy: @@policy, currency: @@currency}));

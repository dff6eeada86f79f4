// Shopify, theme half: tells the data layer what happens in the shop and saves the ctx_* attributes with the cart.
//
// Install it ONCE in the theme: Online Store › Themes › Edit code › assets/ctx-datalayer.js, then in layout/theme.liquid, after
// Tag Manager's own snippet, a deferred script element with src="{{ 'ctx-datalayer.js' | asset_url }}".
// Checkout and thank-you page run no theme code: their events come from datalayer/shopify_pixel.js.
//
// What rests on Shopify's published pages: the Ajax API (/products/<handle>.js, /cart.js with prices in cents, and
// /cart/update.js, whose `attributes` arrive with the order as note_attributes / customAttributes).
// What MUST BE VERIFIED in this shop's theme (each place is marked VERIFY):
//   1 that products are added through a form whose action ends in /cart/add;
//   2 that /collections/<handle>/products.json is open, which the list of a collection comes from;
//   3 that item ids are those of the Meta catalogue and Merchant Center (product id here; feeds of Google's app use
//     shopify_BR_<product>_<variant>).
// Buy buttons that skip the cart (Shop Pay, "buy it now") make an order without cart attributes.
(function (w, d, config) {
  'use strict';
  if (w.ctxDataLayer) { return; }
  w.ctxDataLayer = true;
@@include_cookies
@@include_attributes
@@include_layer
@@include_save

  var root = ((w.Shopify && w.Shopify.routes && w.Shopify.routes.root) || '/').replace(/\/$/, '');
  var currency = (w.Shopify && w.Shopify.currency && w.Shopify.currency.active) || config.currency;
  var product = null;

  function handle(kind) {
    var found = w.location.pathname.match(new RegExp('/' + kind + '/([^/]+)/?$'));
    return found ? found[1] : '';
  }

  function variant(id) {
    var known = (product && product.variants) || [];
    for (var i = 0; i < known.length; i++) { if (String(known[i].id) === String(id)) { return known[i]; } }
    return known[0] || {};
  }

  function productItem(id, quantity) {
    var chosen = variant(id);
    var item = {
      item_id: String(product.id), item_name: String(product.title || ''), price: money(chosen.price), // VERIFY 3
      quantity: quantity, index: 0
    };
    if (chosen.id) { item.item_variant = String(chosen.id); }
    if (product.vendor) { item.item_brand = String(product.vendor); }
    return item;
  }

  function cartItems(cart) {
    var found = [];
    for (var i = 0; i < cart.items.length; i++) {
      var line = cart.items[i];
      found.push({
        item_id: String(line.product_id), item_variant: String(line.variant_id), item_name: String(line.product_title || ''),
        price: money(line.final_price === undefined ? line.price : line.final_price),
        quantity: Number(line.quantity) || 1, index: i
      });
    }
    return found;
  }

  function arrive() {
    if (handle('products')) {
      ask('GET', root + '/products/' + handle('products') + '.js', null, function (said) {
        product = said;
        if (said && said.id) { tell('view_item', basket([productItem('', 1)], currency)); }
      });
    } else if (/\/cart\/?$/.test(w.location.pathname)) {
      ask('GET', root + '/cart.js', null, function (cart) {
        if (cart && cart.items && cart.items.length) { tell('view_cart', basket(cartItems(cart), currency)); }
      });
    } else if (handle('collections')) {
      ask('GET', root + '/collections/' + handle('collections') + '/products.json?limit=50', null, function (said) { // VERIFY 2
        var items = [];
        var listed = (said && said.products) || [];
        for (var i = 0; i < listed.length; i++) {
          items.push({item_id: String(listed[i].id), item_name: String(listed[i].title || ''), index: i});
        }
        if (items.length) { tell('view_item_list', {currency: currency, items: items, item_list_id: handle('collections')}); }
      });
    }
  }

  d.addEventListener('submit', function (event) {
    var form = event.target;
    if (!product || !form || !/\/cart\/add(\.js)?$/.test(String(form.getAttribute('action')).split('?')[0])) { return; } // VERIFY 1
    var id = form.querySelector('[name="id"]');
    var quantity = form.querySelector('[name="quantity"]');
    var item = productItem(id ? id.value : '', Math.max(1, Number(quantity && quantity.value) || 1));
    tell('add_to_cart', basket([item], currency));
  }, true);

  // --- order attributes: kept with the cart, written again only when they changed -----------------------------------------
  var saved = '';
  try { saved = w.sessionStorage.getItem('ctx_saved') || ''; } catch (closed) { saved = ''; }
  function save() {
    var attributes = ctxAttributes(config.policy);
    var text = JSON.stringify(attributes);
    if (text === saved || text === '{}') { return; }
    saved = text;
    ask('POST', root + '/cart/update.js', {attributes: whole(attributes)}, function (said) {
      if (!said) { saved = ''; return; }
      try { w.sessionStorage.setItem('ctx_saved', text); } catch (closed) { return; }
    });
  }

  arrive();
  save();
  w.setInterval(save, 2000);
}(window, document, {policy: @@policy, currency: @@currency}));

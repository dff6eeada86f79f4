// Tray: translates what the shop already tells the data layer into the events of the kit.
//
// Install it ONCE on every page, shop and checkout: as a Custom HTML tag in Tag Manager (DOM Ready, all pages), or as an app's
// script (POST /scripts of the Tray API).
//
// AN ORDER OF TRAY HAS NO PLACE FOR ATTRIBUTES: click ids, campaign and consent cannot travel with it. The container keeps them
// in the browser for its own tags; the visit of an order comes to Cortex from GA4, by the order id. Without a consent on the
// order, a client file that says opt_in sends no conversion from the server.
// What MUST BE VERIFIED in this shop (VERIFY):
//   1 the names in the shop's own data layer (pageCategory, idProduct, transactionId …), which themes may change;
//   2 the selectors of the buy button and of the quantity, the addresses of cart and checkout;
//   3 that transactionId is the order's number in the Tray API;
//   4 that item ids are those of the Meta catalogue and Merchant Center.
(function (w, d, config) {
  'use strict';
  if (w.ctxDataLayer) { return; }
  w.ctxDataLayer = true;
@@include_layer

  var BUY = '#button-buy, .botao-comprar, [data-app="product.buy-button"]'; // VERIFY 2
  var CART = /\/carrinho(\/|$)|\/loja\/carrinho\.php/;                         // VERIFY 2
  var CHECKOUT = /\/checkout(\/|$)/;                                          // VERIFY 2

  // The newest thing the shop said under a name.
  function said(name) {
    for (var i = layer.length - 1; i >= 0; i--) {
      if (layer[i] && layer[i][name] !== undefined && !layer[i].ecommerce) { return layer[i][name]; }
    }
    return undefined;
  }

  // R$ 1.234,56 or 1234.56: the last sign is the decimal one.
  function number(text) {
    if (typeof text === 'number') { return text; }
    var plain = String(text || '').replace(/[^\d.,]/g, '');
    var comma = plain.lastIndexOf(',');
    return Number(comma > plain.lastIndexOf('.') ? plain.replace(/\./g, '').replace(',', '.') : plain.replace(/,/g, '')) || 0;
  }

  function product(quantity) {
    var id = said('idProduct'); // VERIFY 1
    if (!id) { return null; }
    var price = number(said('priceSellProduct') || said('priceProduct'));
    var item = {item_id: String(id), item_name: String(said('nameProduct') || ''), price: price, quantity: quantity, index: 0}; // VERIFY 4
    if (said('brand')) { item.item_brand = String(said('brand')); }
    if (said('category')) { item.item_category = String(said('category')); }
    return basket([item], config.currency);
  }

  function items(list) {
    var found = [];
    for (var i = 0; i < list.length; i++) {
      found.push({
        item_id: String(list[i].id || list[i].sku), item_name: String(list[i].name || ''),
        price: number(list[i].price), quantity: Number(list[i].quantity) || 1, index: i
      });
    }
    return found;
  }

  var told = {};
  function once(event, ecommerce) {
    if (!told[event] && ecommerce && ecommerce.items.length) { told[event] = true; tell(event, ecommerce); }
  }

  function look() {
    var order = said('transactionId'); // VERIFY 3
    var cart = items(said('cartProducts') || []);
    if (order) {
      once('purchase', {
        transaction_id: String(order), currency: config.currency, value: number(said('transactionTotal')),
        shipping: number(said('transactionShipping')), items: items(said('transactionProducts') || [])
      });
      return;
    }
    if (CHECKOUT.test(w.location.pathname)) { once('begin_checkout', basket(cart, config.currency)); return; }
    if (CART.test(w.location.pathname)) { once('view_cart', basket(cart, config.currency)); return; }
    if (said('idProduct')) { once('view_item', product(1)); return; }
    var listed = said('listProducts') || [];
    if (listed.length) {
      var shown = [];
      for (var i = 0; i < listed.length && i < 50; i++) {
        shown.push({item_id: String(listed[i].id || listed[i].idProduct), item_name: String(listed[i].name || listed[i].nameProduct || ''), index: i});
      }
      once('view_item_list', {currency: config.currency, items: shown});
    }
  }

  var lastAdd = 0;
  d.addEventListener('click', function (event) {
    var button = event.target.closest ? event.target.closest(BUY) : null;
    var now = new Date().getTime();
    if (!button || now - lastAdd < 500) { return; }
    lastAdd = now;
    var field = d.querySelector('[name="quant"], [name="quantity"]'); // VERIFY 2
    var added = product(Math.max(1, Number(field && field.value) || 1));
    if (added) { tell('add_to_cart', added); }
  }, true);

  look();
  w.setInterval(look, 500);
}(window, document, {currency: @@currency}));

// Shopify, checkout half: a custom pixel (Settings › Customer events › Add custom pixel) that tells checkout and purchase.
//
// Set the pixel's permission to "Not required": the container itself waits for the visitor's recorded choice.
// Put the container's public id below before saving: GTM_ID.
// What MUST BE VERIFIED in this shop (VERIFY):
//   1 that Tag Manager loads inside the pixel's sandbox, and that Preview shows it. The sandbox has no cookies of the shop:
//     Meta and Google know the buyer here by the event and order ids alone, which is what makes them one with the server's;
//   2 that checkout.order.id is the id of the order in the admin's address;
//   3 that `ctx_choice` can be read through browser.cookie.get in this shop.
const GTM_ID = 'GTM-XXXXXXX';
const POLICY = @@policy;
const CURRENCY = @@currency;
const TYPES = ['ad_storage', 'analytics_storage', 'ad_user_data', 'ad_personalization'];

window.dataLayer = window.dataLayer || [];
let ready = null;

const load = () => {
  window.dataLayer.push({'gtm.start': new Date().getTime(), event: 'gtm.js'});
  const script = document.createElement('script');
  script.async = true;
  script.src = 'https://www.googletagmanager.com/gtm.js?id=' + encodeURIComponent(GTM_ID);
  document.head.appendChild(script);
};

// The choice recorded in the shop, in the order of TYPES. No choice, or one under another text, is a refusal.
const consent = async () => {
  const parts = String((await browser.cookie.get('ctx_choice')) || '').split('.'); // VERIFY 3
  const valid = parts.length > 2 && parts[0].length === TYPES.length && parts.slice(2).join('.') === POLICY;
  const chosen = {};
  TYPES.forEach((type, at) => { chosen[type] = valid && parts[0].charAt(at) === '1' ? 'granted' : 'denied'; });
  return chosen;
};

const start = async () => {
  const chosen = await consent();
  load(); // VERIFY 1
  window.dataLayer.push({event: 'ctx_consent_update', ctx_consent: chosen});
};

const amount = (money) => Math.round(Number((money && money.amount) || 0) * 100) / 100;
const last = (id) => String(id).split('/').pop();

const items = (checkout) => (checkout.lineItems || []).map((line, index) => {
  const variant = line.variant || {};
  const product = variant.product || {};
  const quantity = Number(line.quantity) || 1;
  const paid = line.finalLinePrice ? amount(line.finalLinePrice) / quantity : amount(variant.price);
  return {
    item_id: last(product.id || variant.id), item_variant: last(variant.id), item_name: String(line.title || product.title || ''),
    price: Math.round(paid * 100) / 100, quantity, index
  };
});

const worth = (found) => found.reduce((sum, item) => sum + Math.round(item.price * 100) * item.quantity, 0) / 100;

const tell = async (name, more, checkout) => {
  ready = ready || start();
  await ready;
  const found = items(checkout);
  const ecommerce = {currency: checkout.currencyCode || CURRENCY, value: worth(found), items: found, ...more};
  window.dataLayer.push({ecommerce: null});
  window.dataLayer.push({event: name, ecommerce});
};

analytics.subscribe('checkout_started', (event) => tell('begin_checkout', {}, event.data.checkout));
analytics.subscribe('checkout_shipping_info_submitted', (event) => tell('add_shipping_info', {}, event.data.checkout));
analytics.subscribe('payment_info_submitted', (event) => tell('add_payment_info', {}, event.data.checkout));
analytics.subscribe('checkout_completed', (event) => {
  const checkout = event.data.checkout;
  const coupon = (checkout.discountApplications || []).map((each) => each.title).find(Boolean);
  const more = {transaction_id: last(checkout.order.id), value: amount(checkout.totalPrice)}; // VERIFY 2
  if (checkout.shippingLine) { more.shipping = amount(checkout.shippingLine.price); }
  if (coupon) { more.coupon = String(coupon); }
  return tell('purchase', more, checkout);
});

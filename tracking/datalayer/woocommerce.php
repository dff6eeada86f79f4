<?php
/**
 * Plugin Name: Cortex data layer
 * Description: Tells the data layer what happens in the shop and keeps the ctx_* attributes with the order (order meta).
 *
 * Install it ONCE: copy it to wp-content/mu-plugins/cortex-datalayer.php. Tag Manager's own snippet stays where it is.
 * What rests on WooCommerce's published pages: the hooks named below, order meta, and order ids.
 * What MUST BE VERIFIED in this shop (VERIFY):
 *   1 that a page cache does not keep pages with a cart or an order (WooCommerce's own exclusions have to be on);
 *   2 that item ids are those of the Meta catalogue and Merchant Center (product id here, variation as variant);
 *   3 that no other plugin tells the same events to the same container;
 *   4 that prices are shown with tax where the buyer pays it.
 */

defined('ABSPATH') || exit;

final class Cortex_Data_Layer
{
    const POLICY = @@policy;
    const TYPES = ['ad_storage', 'analytics_storage', 'ad_user_data', 'ad_personalization'];
    const KEPT = ['gclid', 'gbraid', 'wbraid', 'fbclid', 'ttclid', 'msclkid', 'first', 'last', 'fbc'];

    public static function start()
    {
        add_action('wp_footer', [self::class, 'page'], 5);
        add_action('woocommerce_add_to_cart', [self::class, 'added'], 10, 4);
        add_action('woocommerce_checkout_create_order', [self::class, 'keep']);
        add_action('woocommerce_store_api_checkout_update_order_meta', [self::class, 'keep']);
    }

    /** The visitor's cookies as the browser sent them: PHP's own list is decoded once too often. */
    private static function cookies()
    {
        $found = [];
        foreach (explode(';', isset($_SERVER['HTTP_COOKIE']) ? (string) $_SERVER['HTTP_COOKIE'] : '') as $pair) {
            $parts = explode('=', trim($pair), 2);
            if (count($parts) === 2 && preg_match('/^[\w-]{1,40}$/', $parts[0]) && preg_match('/^[\x21-\x7e]+$/', $parts[1])) {
                $found[$parts[0]] = substr($parts[1], 0, 1500);
            }
        }
        return $found;
    }

    /** What is saved with an order. Nothing before a choice; only the refusal after a refusal. */
    public static function attributes(array $cookies)
    {
        $parts = explode('.', isset($cookies['ctx_choice']) ? $cookies['ctx_choice'] : '', 3);
        if (count($parts) < 3 || !preg_match('/^[01]{4}$/', $parts[0]) || $parts[2] !== self::POLICY || !ctype_digit($parts[1])) {
            return [];
        }
        // Sending a sale to an ad platform stores, uses and personalises: it takes all three.
        $granted = $parts[0][0] === '1' && $parts[0][2] === '1' && $parts[0][3] === '1';
        $found = ['ctx_consent' => ($granted ? 'granted' : 'denied') . ';v=' . $parts[2] . ';t=' . $parts[1]];
        if ($parts[0][0] !== '1') {
            return $found;
        }
        foreach (self::KEPT as $name) {
            if (!empty($cookies['ctx_' . $name])) {
                $found['ctx_' . $name] = $cookies['ctx_' . $name];
            }
        }
        // The pixel's own cookie wins when it speaks of the same click, so that browser and server send the same fbc.
        $pixel = isset($cookies['_fbc']) ? $cookies['_fbc'] : '';
        $click = isset($found['ctx_fbclid']) ? $found['ctx_fbclid'] : '';
        if ($pixel !== '' && (!isset($found['ctx_fbc']) || strpos($pixel, '.' . $click) > 0)) {
            $found['ctx_fbc'] = $pixel;
        }
        if (!empty($cookies['_fbp'])) {
            $found['ctx_fbp'] = $cookies['_fbp'];
        }
        if (!empty($cookies['_ttp'])) {
            $found['ctx_ttp'] = $cookies['_ttp'];
        }
        // GA1.1.<number>.<time>: what a refund must name for GA4 to know the browser.
        $ga = isset($cookies['_ga']) ? $cookies['_ga'] : '';
        if ($parts[0][1] === '1' && preg_match('/^GA\d\.\d+\.(\d{1,10}\.\d{1,10})$/', $ga, $id)) {
            $found['ctx_ga_client_id'] = $id[1];
        }
        return $found;
    }

    public static function keep($order)
    {
        foreach (self::attributes(self::cookies()) as $name => $value) {
            $order->update_meta_data($name, $value);
        }
        // The block checkout hands over an order that was stored already.
        if ($order->get_id()) {
            $order->save();
        }
    }

    private static function item($product, $quantity, $price, $index)
    {
        $parent = $product->get_parent_id();
        $item = [
            'item_id' => (string) ($parent ?: $product->get_id()), // VERIFY 2
            'item_name' => $product->get_name(),
            'price' => round((float) $price, 2),
            'quantity' => max(1, (int) $quantity),
            'index' => $index,
        ];
        return $parent ? $item + ['item_variant' => (string) $product->get_id()] : $item;
    }

    private static function basket(array $items)
    {
        $value = 0;
        foreach ($items as $item) {
            $value += (int) round($item['price'] * 100) * $item['quantity'];
        }
        return ['currency' => get_woocommerce_currency(), 'value' => $value / 100, 'items' => $items];
    }

    private static function cart()
    {
        $items = [];
        foreach (WC()->cart ? WC()->cart->get_cart() : [] as $line) {
            $items[] = self::item($line['data'], $line['quantity'], wc_get_price_to_display($line['data']), count($items)); // VERIFY 4
        }
        return self::basket($items);
    }

    /** A product put in the cart; kept for the next page when this answer is a redirect or JSON. */
    public static function added($key, $product_id, $quantity, $variation_id = 0)
    {
        $product = wc_get_product($variation_id ?: $product_id);
        if ($product && WC()->session) {
            $waiting = (array) WC()->session->get('ctx_waiting', []);
            $waiting[] = ['add_to_cart', self::basket([self::item($product, $quantity, wc_get_price_to_display($product), 0)])];
            WC()->session->set('ctx_waiting', array_slice($waiting, -5));
        }
    }

    private static function purchase($order)
    {
        $items = [];
        foreach ($order->get_items() as $line) {
            $product = $line->get_product();
            if ($product) {
                $items[] = self::item($product, $line->get_quantity(), $order->get_item_total($line, true), count($items));
            }
        }
        $coupons = $order->get_coupon_codes();
        $told = [
            'transaction_id' => (string) $order->get_id(),
            'currency' => $order->get_currency(),
            'value' => round((float) $order->get_total(), 2),
            'shipping' => round((float) $order->get_shipping_total(), 2),
            'items' => $items,
        ];
        return $coupons ? $told + ['coupon' => (string) $coupons[0]] : $told;
    }

    private static function events()
    {
        $events = WC()->session ? (array) WC()->session->get('ctx_waiting', []) : [];
        if ($events) {
            WC()->session->set('ctx_waiting', []);
        }
        if (is_order_received_page()) {
            global $wp;
            $order = wc_get_order(absint($wp->query_vars['order-received']));
            $key = isset($_GET['key']) ? sanitize_text_field(wp_unslash($_GET['key'])) : '';
            // The key proves that the visitor is the buyer; a reload tells the same id, and platforms keep one.
            if ($order && hash_equals($order->get_order_key(), $key)) {
                $events[] = ['purchase', self::purchase($order)];
            }
        } elseif (is_checkout()) {
            $events[] = ['begin_checkout', self::cart()];
        } elseif (is_cart()) {
            $events[] = ['view_cart', self::cart()];
        } elseif (is_product()) {
            $product = wc_get_product(get_the_ID());
            if ($product) {
                $events[] = ['view_item', self::basket([self::item($product, 1, wc_get_price_to_display($product), 0)])];
            }
        } elseif (is_shop() || is_product_category()) {
            $items = [];
            foreach ($GLOBALS['wp_query']->posts as $post) {
                $items[] = ['item_id' => (string) $post->ID, 'item_name' => $post->post_title, 'index' => count($items)];
            }
            if ($items) {
                $events[] = ['view_item_list', ['currency' => get_woocommerce_currency(), 'items' => $items]];
            }
        }
        return array_filter($events, function ($event) {
            return !empty($event[1]['items']);
        });
    }

    public static function page()
    {
        if (!function_exists('WC')) {
            return;
        }
        echo "<script>window.dataLayer = window.dataLayer || [];\n";
        foreach (self::events() as $event) {
            $told = wp_json_encode(['event' => $event[0], 'ecommerce' => $event[1]], JSON_HEX_TAG | JSON_HEX_AMP);
            echo "dataLayer.push({ecommerce: null});\ndataLayer.push(" . $told . ");\n";
        }
        // Delivery and payment are chosen without a new page.
        if (is_checkout() && !is_order_received_page()) {
            $cart = wp_json_encode(self::cart(), JSON_HEX_TAG | JSON_HEX_AMP);
            echo "(function (told) { document.addEventListener('change', function (event) {\n"
                . "  var name = event.target.name || '';\n"
                . "  var kind = name.indexOf('shipping_method') === 0 ? 'add_shipping_info' : name === 'payment_method' ? 'add_payment_info' : '';\n"
                . "  if (kind && !told[kind]) { told[kind] = true; dataLayer.push({ecommerce: null}); dataLayer.push({event: kind, ecommerce: " . $cart . "}); }\n"
                . "}); }({}));\n";
        }
        echo "</script>\n";
    }
}

Cortex_Data_Layer::start();

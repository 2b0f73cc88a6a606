<?php

// Sessions are in Redis, for routes that use them; the pages of this application do not.
return [
    'driver' => 'redis',
    'connection' => 'default',
    'lifetime' => 120,
    'cookie' => 'session',
    'path' => '/',
    'secure' => (bool) env('SESSION_SECURE_COOKIE', false),
    'http_only' => true,
    'same_site' => 'lax',
    'lottery' => [2, 100],
];

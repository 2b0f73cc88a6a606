<?php

$redis = fn (string $host, string $port) => [
    'host' => $host,
    'port' => $port,
    'username' => env('REDIS_USERNAME'),
    'password' => env('REDIS_PASSWORD'),
];
$host = env('REDIS_HOST', '127.0.0.1');
$port = env('REDIS_PORT', '6379');

return [
    'default' => env('DB_CONNECTION', 'mysql'),
    'connections' => [
        'mysql' => [
            'driver' => 'mysql',
            'host' => env('DB_HOST', 'localhost'),
            'unix_socket' => env('DB_SOCKET', ''),
            'database' => env('DB_DATABASE', 'shop'),
            'username' => env('DB_USERNAME', 'shop'),
            'password' => env('DB_PASSWORD', ''),
            'charset' => 'utf8mb4',
            'collation' => 'utf8mb4_unicode_ci',
            'prefix' => '',
            'strict' => true,
        ],
    ],
    'migrations' => 'migrations',
    'redis' => [
        'client' => env('REDIS_CLIENT', 'phpredis'),
        'options' => ['prefix' => env('REDIS_PREFIX', 'shop:')],
        'default' => $redis($host, $port),
        'cache' => $redis(env('REDIS_CACHE_HOST', $host), env('REDIS_CACHE_PORT', $port)),
    ],
];

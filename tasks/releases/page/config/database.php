<?php

return [
    'default' => 'mysql',
    'connections' => [
        // Over the socket MariaDB knows the system user that asks; another one needs the password.
        'mysql' => [
            'driver' => 'mysql',
            'unix_socket' => env('DB_SOCKET', '/run/mysqld/mysqld.sock'),
            'database' => env('DB_DATABASE', 'laravel'),
            'username' => env('DB_USERNAME', 'laravel'),
            'password' => env('DB_PASSWORD', ''),
            'charset' => 'utf8mb4',
            'collation' => 'utf8mb4_unicode_ci',
            'prefix' => '',
            'strict' => true,
        ],
    ],
    'migrations' => 'migrations',
    'redis' => [
        'client' => 'phpredis',
        'options' => ['prefix' => env('REDIS_PREFIX', 'laravel:')],
        // Jobs and sessions, which are kept.
        'default' => [
            'host' => env('REDIS_HOST', '127.0.0.1'),
            'port' => env('REDIS_PORT', 6379),
            'username' => env('REDIS_USERNAME'),
            'password' => env('REDIS_PASSWORD'),
        ],
        // What may be dropped to make room.
        'cache' => [
            'host' => env('REDIS_CACHE_HOST', env('REDIS_HOST', '127.0.0.1')),
            'port' => env('REDIS_CACHE_PORT', env('REDIS_PORT', 6379)),
            'username' => env('REDIS_USERNAME'),
            'password' => env('REDIS_PASSWORD'),
        ],
    ],
];

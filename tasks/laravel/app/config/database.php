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
        'default' => [
            'host' => '127.0.0.1',
            'port' => 6379,
            'password' => env('REDIS_PASSWORD'),
            'database' => 0,
        ],
        'cache' => [
            'host' => '127.0.0.1',
            'port' => 6379,
            'password' => env('REDIS_PASSWORD'),
            'database' => 1,
        ],
    ],
];

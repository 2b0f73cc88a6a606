<?php

return [
    'default' => env('CACHE_STORE', env('CACHE_DRIVER', 'redis')),
    'stores' => ['redis' => ['driver' => 'redis', 'connection' => 'cache']],
    'prefix' => 'cache:',
];

<?php

// Composer's packages where a release brings them, else Debian's php-laravel-framework.
$vendor = dirname(__DIR__).'/vendor/autoload.php';
require is_file($vendor) ? $vendor : '/usr/share/php/Illuminate/autoload.php';

spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'App\\')) {
        $file = dirname(__DIR__).'/app/'.str_replace('\\', '/', substr($class, 4)).'.php';
        if (is_file($file)) {
            require $file;
        }
    }
});

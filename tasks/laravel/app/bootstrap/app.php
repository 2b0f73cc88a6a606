<?php

// A release is read-only: what changes at run time, and .env, lie beside all releases.
$release = dirname(__DIR__);
$shared = dirname($release, 2).'/shared';
$_ENV['APP_SERVICES_CACHE'] = $shared.'/storage/framework/services.php';
$_ENV['APP_PACKAGES_CACHE'] = $shared.'/storage/framework/packages.php';

$app = new Illuminate\Foundation\Application($release);
$app->useEnvironmentPath($shared);
$app->useStoragePath($shared.'/storage');

$app->singleton(Illuminate\Contracts\Http\Kernel::class, App\Http\Kernel::class);
$app->singleton(Illuminate\Contracts\Console\Kernel::class, App\Console\Kernel::class);
$app->singleton(Illuminate\Contracts\Debug\ExceptionHandler::class, App\Exceptions\Handler::class);

return $app;

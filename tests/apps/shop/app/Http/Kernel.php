<?php

namespace App\Http;

use Illuminate\Cookie\Middleware\EncryptCookies;
use Illuminate\Foundation\Http\Kernel as HttpKernel;
use Illuminate\Foundation\Http\Middleware\PreventRequestsDuringMaintenance;
use Illuminate\Routing\Middleware\SubstituteBindings;
use Illuminate\Session\Middleware\StartSession;

class Kernel extends HttpKernel
{
    protected $middleware = [
        PreventRequestsDuringMaintenance::class,
    ];

    protected $middlewareGroups = [
        'web' => [EncryptCookies::class, StartSession::class, SubstituteBindings::class],
        'api' => [SubstituteBindings::class],
    ];
}

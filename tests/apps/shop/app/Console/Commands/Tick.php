<?php

namespace App\Console\Commands;

use Illuminate\Console\Command;
use Illuminate\Support\Facades\Redis;

/** What the scheduler calls: leaves the time where shop:report finds it. */
class Tick extends Command
{
    protected $signature = 'shop:tick';

    public function handle(): int
    {
        Redis::set('tick', now()->toIso8601String());

        return self::SUCCESS;
    }
}

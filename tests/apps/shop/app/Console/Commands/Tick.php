<?php

namespace App\Console\Commands;

use Illuminate\Console\Command;
use Illuminate\Support\Facades\Redis;

/** What the scheduler calls: leaves the time where shop:report finds it. */
class Tick extends Command
{
    protected $signature = 'shop:tick {name=tick} {--sleep=0 : how many seconds it takes}';

    public function handle(): int
    {
        sleep((int) $this->option('sleep'));
        Redis::set($this->argument('name'), now()->toIso8601String());

        return self::SUCCESS;
    }
}

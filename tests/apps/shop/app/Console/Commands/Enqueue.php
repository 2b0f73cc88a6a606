<?php

namespace App\Console\Commands;

use App\Jobs\NumberedJob;
use Illuminate\Console\Command;

class Enqueue extends Command
{
    protected $signature = 'shop:enqueue {count} {--failing} {--ms=5 : how long each takes}';

    public function handle(): int
    {
        for ($number = 1; $number <= (int) $this->argument('count'); $number++) {
            NumberedJob::dispatch($number, (bool) $this->option('failing'), (int) $this->option('ms'));
        }

        return self::SUCCESS;
    }
}

<?php

namespace App\Console\Commands;

use Illuminate\Console\Command;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Redis;

/** What became of the jobs, as JSON. */
class Report extends Command
{
    protected $signature = 'shop:report';

    public function handle(): int
    {
        $this->line(json_encode([
            'numbers' => DB::table('job_runs')->distinct()->count('number'),
            'runs' => DB::table('job_runs')->count(),
            'attempts' => (int) DB::table('job_runs')->max('attempt'),
            'releases' => DB::table('job_runs')->distinct()->pluck('release'),
            'failed' => DB::table('failed_jobs')->count(),
            'ready' => Redis::llen('queues:default'),
            'reserved' => Redis::zcard('queues:default:reserved'),
            'delayed' => Redis::zcard('queues:default:delayed'),
            'tick' => Redis::get('tick'),
            'background' => Redis::get('background'),
            'long' => Redis::get('long'),
        ]));

        return self::SUCCESS;
    }
}

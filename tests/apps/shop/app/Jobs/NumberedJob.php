<?php

namespace App\Jobs;

use App\Support\Release;
use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Foundation\Bus\Dispatchable;
use Illuminate\Queue\InteractsWithQueue;
use Illuminate\Support\Facades\DB;
use RuntimeException;

/** Writes down every time that it is run. */
class NumberedJob implements ShouldQueue
{
    use Dispatchable, InteractsWithQueue, Queueable;

    public function __construct(public int $number, public bool $fails = false, public int $ms = 5)
    {
    }

    public function handle(): void
    {
        usleep($this->ms * 1000);
        if ($this->fails) {
            throw new RuntimeException("job {$this->number} was told to fail");
        }
        DB::table('job_runs')->insert([
            'number' => $this->number,
            'attempt' => $this->attempts(),
            'release' => Release::id(),
        ]);
    }
}

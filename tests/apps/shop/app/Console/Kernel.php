<?php

namespace App\Console;

use Illuminate\Console\Scheduling\Schedule;
use Illuminate\Foundation\Console\Kernel as ConsoleKernel;

class Kernel extends ConsoleKernel
{
    protected function schedule(Schedule $schedule): void
    {
        $schedule->command('shop:tick')->everyMinute();
        $schedule->command('shop:tick background --sleep=3')->everyMinute()->runInBackground();
        $schedule->command('shop:tick long --sleep=150')->everyMinute()->withoutOverlapping()
            ->when(fn () => file_exists(storage_path('app/long')));
    }

    protected function commands(): void
    {
        $this->load(__DIR__.'/Commands');
    }
}

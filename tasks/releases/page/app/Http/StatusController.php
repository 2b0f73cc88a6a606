<?php

namespace App\Http;

use Illuminate\Http\JsonResponse;
use Illuminate\Http\Response;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Log;
use Illuminate\Support\Facades\Redis;
use Throwable;

class StatusController
{
    /** The front page: what this application has just reached, seen with its own eyes. */
    public function page(): Response
    {
        $checks = $this->checks();

        return response(view('status', [
            'checks' => $checks,
            'release' => trim((string) @file_get_contents(base_path('.release'))),
        ])->render(), $this->statusOf($checks));
    }

    /** The same for machines: 200 when everything was reached, else 503. */
    public function health(): JsonResponse
    {
        $checks = $this->checks();

        return response()->json($checks, $this->statusOf($checks));
    }

    /** Each service with what it answered, or null where it did not. */
    private function checks(): array
    {
        return [
            'mariadb' => $this->ask(fn () => DB::selectOne("select 'answer' as v")->v),
            'redis' => $this->ask(fn () => 'visit '.Redis::incr('visits')),
        ];
    }

    private function ask(callable $question): ?string
    {
        try {
            return (string) $question();
        } catch (Throwable $error) {
            Log::error($error->getMessage());

            return null;
        }
    }

    private function statusOf(array $checks): int
    {
        return in_array(null, $checks, true) ? 503 : 200;
    }
}

<?php

namespace App\Http\Controllers;

use App\Support\Release;
use Chom\Greeting\Greeting;
use Illuminate\Http\JsonResponse;
use Illuminate\Http\Request;
use Illuminate\Http\Response;
use Illuminate\Support\Facades\Cache;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Log;
use Illuminate\Support\Facades\Redis;
use Throwable;

class PageController
{
    public function home(): Response
    {
        return response(view('home', [
            'greeting' => Greeting::text(),
            'release' => Release::id(),
            'laravel' => app()->version(),
        ])->render());
    }

    /** 200 only if the database and both Redis were reached. */
    public function up(): JsonResponse
    {
        $reached = [
            'mariadb' => $this->reaches(fn () => DB::selectOne('select 1')),
            'queue' => $this->reaches(fn () => Redis::connection('default')->get('up')),
            'cache' => $this->reaches(fn () => Redis::connection('cache')->get('up')),
        ];

        return response()->json($reached, in_array(false, $reached, true) ? 503 : 200);
    }

    /** Which code answers; asks no service. */
    public function version(): JsonResponse
    {
        return response()->json([
            'release' => Release::id(),
            'php' => PHP_VERSION,
            'path' => realpath(base_path()),
            'mail' => config('app.mail_token'),
        ]);
    }

    public function visits(Request $request): JsonResponse
    {
        $visits = $request->session()->get('visits', 0) + 1;
        $request->session()->put('visits', $visits);

        return response()->json(['visits' => $visits]);
    }

    public function cached(): JsonResponse
    {
        return response()->json(['value' => Cache::remember('value', 600, fn () => uniqid())]);
    }

    public function login(): Response
    {
        return response('wrong password', 401);
    }

    public function form(): Response
    {
        return response('a form');
    }

    public function slow(Request $request): JsonResponse
    {
        usleep(1000 * min(5000, (int) $request->query('ms', '200')));

        return response()->json(['release' => Release::id()]);
    }

    private function reaches(callable $question): bool
    {
        try {
            $question();

            return true;
        } catch (Throwable $error) {
            Log::error($error->getMessage());

            return false;
        }
    }
}

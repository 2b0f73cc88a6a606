<?php

use App\Http\Controllers\OrderController;
use App\Http\Controllers\PageController;
use Illuminate\Support\Facades\Route;

Route::get('/up', [PageController::class, 'up']);
Route::get('/version', [PageController::class, 'version']);
Route::get('/cached', [PageController::class, 'cached']);
Route::get('/slow', [PageController::class, 'slow']);
Route::get('/login', [PageController::class, 'form']);
Route::post('/login', [PageController::class, 'login']);
Route::get('/orders', [OrderController::class, 'index']);
Route::post('/orders', [OrderController::class, 'store']);

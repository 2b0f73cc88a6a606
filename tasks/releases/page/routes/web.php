<?php

use App\Http\StatusController;
use Illuminate\Support\Facades\Route;

Route::get('/', [StatusController::class, 'page']);
Route::get('/up', [StatusController::class, 'health']);

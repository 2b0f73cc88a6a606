<?php

namespace App\Http\Controllers;

use App\Jobs\ProcessOrder;
use App\Models\Order;
use Illuminate\Http\JsonResponse;

class OrderController
{
    public function store(): JsonResponse
    {
        $order = Order::create(['item' => 'tea']);
        ProcessOrder::dispatch($order->id);

        return response()->json(['id' => $order->id], 201);
    }

    public function index(): JsonResponse
    {
        return response()->json([
            'orders' => Order::count(),
            'processed' => Order::where('processed', true)->count(),
        ]);
    }
}

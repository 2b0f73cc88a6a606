<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ config('app.name') }}</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; color: #222; }
  td { padding: .3rem 1rem .3rem 0; }
  .yes { color: #176b2c; } .no { color: #a11; }
</style>
</head>
<body>
<h1>{{ config('app.name') }}</h1>
<table>
@foreach ($checks as $name => $answer)
<tr><td>{{ $name }}</td><td class="{{ $answer === null ? 'no' : 'yes' }}">{{ $answer === null ? 'not reached' : 'reached: '.$answer }}</td></tr>
@endforeach
</table>
<p>Release {{ $release }}</p>
</body>
</html>

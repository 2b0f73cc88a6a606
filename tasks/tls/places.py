"""Where the certificate of a target's public page is, its key, and what proves its names."""

FOLDER = "/etc/chom/tls"
# Our own certificate, and the link that Nginx follows: to it, or to the one of Let's Encrypt.
OWN = f"{FOLDER}/own"
LIVE = f"{FOLDER}/live"
CERTIFICATE = f"{LIVE}/fullchain.pem"
KEY = f"{LIVE}/privkey.pem"
# What certbot calls ours; others that it keeps for somebody are not touched.
NAME = "chom"
CERTBOT = "/etc/letsencrypt"
OBTAINED = f"{CERTBOT}/live/{NAME}"
HOOK = f"{CERTBOT}/renewal-hooks/deploy/{NAME}"
WEBROOT = "/var/www/acme"
CHALLENGES = "/.well-known/acme-challenge/"

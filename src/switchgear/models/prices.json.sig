{
 "algorithm": "ed25519",
 "key": "7e512804de6fab47",
 "signature": "wKQNKvM2mg3V0rbYeuOUf+uPKdnRE+4U7dD+52ZDgnTHh14gOAdRoOYX2w9ZAibDqHSMIAfyDboCrsWsQTCZDw=="
}

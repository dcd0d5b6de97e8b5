"""Events that try to be more than text. Every one keeps the contract, so the service takes it."""

MARKS = (
    "<script>hacked()</script>",
    "<img src=x onerror=hacked()>",
    "<svg onload=hacked()>",
    "\"><iframe srcdoc='<script>parent.hacked()</script>'>",
    "' onmouseover='hacked()' x='",
    "javascript:hacked()//",
    "{{constructor.constructor('hacked()')()}}",
    "${hacked()}",
    "</title><script>hacked()</script>",
    "<!--<img src='--><img src=x onerror=hacked()>",
    "<style>@import'//evil.example/x.css'</style>",
    "<base href='//evil.example/'>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<a href='javascript:hacked()' autofocus onfocus=hacked()>",
    "<details open ontoggle=hacked()>",
    "&lt;script&gt;hacked()&lt;/script&gt;",
    "\u202egnp.exe\u202c",
    "z\u0335\u0321\u0322\u031b\u0353\u0354" * 12,
    "\u0644\u0627 \u0625\u0644\u0647 " * 10,
    "w" * 120,
)
HOSTILE_PAGES = [f"/{mark}" for mark in MARKS] + ["https://shop.example/" + "a" * 2000]
HOSTILE_IDS = [mark[:128] for mark in MARKS]
HOSTILE_IDS += [" ", " usr_1 ", ".", "..", "../../metrics", "\u200b", "__proto__", "constructor"]
HOSTILE_TYPES = ["__proto__", "constructor", "hasOwnProperty", "x" * 64, "javascript:hacked"]

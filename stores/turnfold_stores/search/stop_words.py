"""The words that sentences of a language are held together with.

They stand in nearly every text of it, so they tell none from another, and they give a language
away. Where a word has an apostrophe, its parts stand here: "d" of "d'accord".
"""

from __future__ import annotations

_SAID: dict[str, str] = {
    "en": (
        "a about after all also am an and any are as at be because been before being but by can "
        "could did do does doing done for from get got had has have having he her here him his "
        "how i if in into is it its just like many may me might more most must my no nor not "
        "now of off on only or our out over own s same she should so some such t than that the "
        "their them then there these they this those through to too up us very was we were what "
        "when where which while who whom why will with would you your yours d ll m re ve"
    ),
    "de": (
        "aber alle als also am an auch auf aus bei beim bin bis bist da damit dann das dass "
        "dein deine dem den denn der des die dies diese diesem diesen dieser dir doch dort du "
        "durch ein eine einem einen einer eines er es euch euer für gegen gibt hab habe haben "
        "hat hatte hatten ich ihm ihn ihr ihre ihrem ihren im in ist ja jetzt kann kannst kein "
        "keine können man mein meine meinem meinen meiner mich mir mit muss nach nicht noch nun "
        "nur ob oder ohne schon sehr sein seine seit sich sie sind so soll über um und uns "
        "unser unsere unter vom von vor wann war waren warum was weil welche welchem welchen "
        "welcher welches wenn wer werde werden wie wieder will wir wird wo wurde würde zu zum "
        "zur zwischen"
    ),
    "nl": (
        "aan al alles als altijd ben bent bij daar dan dat de deze die dit door dus een en er "
        "ge geen had hadden heb hebben hebt heeft hem het hier hij hoe hun ik in is ja je jij "
        "jouw jullie kan kon kunnen maar me meer men met mij mijn moet na naar niet niets nog "
        "nu of om omdat ons onze ook op over te tegen toch toen tot u uit uw van veel voor waar "
        "waarom wanneer waren was wat we welk welke werd wie wij wil word wordt worden zal ze "
        "zich zij zijn zo zonder zou"
    ),
    "fr": (
        "ai alors as au aussi autre aux avait avec avez avoir avons c ce cela ces cet cette "
        "chez comme comment d dans de des donc dont du elle elles en es est et eu eux fait il "
        "ils j je l la le les leur leurs lui m ma mais me mes moi mon même n ne nos notre nous "
        "on ont ou où par pas plus pour pourquoi qu quand que quel quelle quelles quels qui "
        "quoi s sa sans se ses si son sont suis sur t ta te tes toi ton tous tout toute très tu "
        "un une va vais vos votre vous y à ça été était êtes"
    ),
    "es": (
        "a al algo ante antes aquí así aunque cada como con cuando cuál cuáles cuándo cuánto "
        "cómo de del desde donde dónde e el ella ellas ellos en entre era eran eres es esa ese "
        "eso esta estaba estamos estar este esto estos estoy está están fue ha han hasta hay "
        "haya he la las le les lo los me mi mis mucho muy más mí ni no nos nosotros nuestra "
        "nuestro o os para pero por porque que quien quién qué se sea ser si sin sobre son soy "
        "su sus sí también te tengo tenía tiene tu tus tú un una uno unos y ya yo él"
    ),
    "it": (
        "a abbiamo agli ai al alla alle allo anche avere aveva c che chi ci come con cosa cui d "
        "da dai dal dalla dalle degli dei del della delle dello di dove e ed era erano essere "
        "fa fino fra gli ha hai hanno ho i il in io l la le lei li lo loro lui ma me mi mia mie "
        "miei mio molto ne nei nel nella nelle no noi non nostra nostro o ogni per perché più "
        "poi qual quale quali quando quanto quello questa questo qui se sei si sia siamo sono "
        "sta stata stato su sua sue sul sulla suo suoi te ti tra tu tua tuo un una uno vi voi è"
    ),
    "pt": (
        "a ao aos as até com como da das de dela dele deles depois do dos e ela elas ele eles "
        "em entre era eram essa esse esta estamos estava este estou está estão eu foi for foram "
        "há isso isto já lhe mais mas me mesmo meu meus minha minhas muito na nas nem no nos "
        "nossa nosso num numa não nós o onde os ou para pela pelo por porque qual quais quando "
        "que quem se sem ser seu seus sou sua suas são só também te tem temos tenho ter teve "
        "tinha tu um uma umas uns vai você vocês vou à às é"
    ),
    "ca": (
        "a això al als amb aquest aquesta això com d de del dels des el ella ells els em en "
        "entre era és ens es està estic et fins ha han hi ho i jo l la les li m me més meu meva "
        "mi molt n nosaltres no o on per perquè però pel però quan que quin quina què s sense "
        "ser seu seva si sobre són també tinc té tu un una uns va vaig"
    ),
    "ro": (
        "a acest această ai al ale am ar are as asta au ca care cât ce cea cel cine cu cum când "
        "da dar de deci din după ea ei el ele este eu fi foarte fost i iar la le lor lui mai mă "
        "mea meu mi mult ne nici noi nostru nu o pe pentru prin sa sau se sunt său să te tu un "
        "una unde unei unui va voi vă și în ți"
    ),
    "pl": (
        "a ale aż bardzo bez był była było były być bym bo ci co czy czyli dla do gdy gdzie go "
        "i ich ile im ja jak jaka jaki jakie jako je jego jej jest jestem jeszcze już kiedy kto "
        "która które który którego której lub ma mam mi mnie moim mojej moja moje mojego mój "
        "może my na nad nam nas nasz nasza nie nim niż o od on ona oni ono po pod przed przez "
        "przy są się swoje ta tak także tam te tego tej ten to tu twój ty tylko tym w we więc "
        "wszystko z za ze że żeby"
    ),
    "cs": (
        "a aby ale ani asi až bez bude budu by byl byla bylo byly být co což či do ho i já jak "
        "jaká jaké jaký jako je jeho její jejich jen jsem jsi jsme jsou k kam kde kdo kdy když "
        "ke která které který ma má mám máme mě mi mně moje můj můžu my na nad nám nás náš ne "
        "nebo nebyl není než o od on ona oni po pod pro proto proč před přes při s se si své ta "
        "tak také tam tato te ten tento to tohle toho tu ty u už v ve však z za ze že"
    ),
    "sv": (
        "alla allt att av blev bli bara de dem den denna deras det detta dig din dina du där "
        "efter ej eller en er ett från för ha hade han hans har hennes hon honom hur här i icke "
        "in inga inte ja jag kan kommer man med men mer mig min mina mitt mot mycket måste ni "
        "nu när något och också om oss på samma sedan sig sin sina ska skulle som så till under "
        "upp ut vad var varför vart vem vi vid vilken vilket vår vara är över"
    ),
    "da": (
        "af alle alt at blev blive bliver da de dem den denne der deres det dette dig din dine "
        "du efter eller en end er et for fra få før gik ham han hans har havde have hende "
        "hendes her hos hun hvad hvem hver hvilken hvor hvorfor hvordan hvornår i ikke ind ja "
        "jeg kan kun kunne man med meget men mig min mine mit mod må noget nogle nu når og også "
        "om op os over på selv sig sin skal skulle som så til ud under var vi vil ville vores "
        "være været"
    ),
    "no": (
        "alle alt at av ble bli blir bare da de deg dem den denne der dere deres det dette din "
        "du eller en er et etter for fra før ha hadde han hans har hennes her hun hva hvem hver "
        "hvis hvor hvordan hvorfor i ikke inn ja jeg kan kun kunne man med meg mellom men mer "
        "min mitt mot mye må noe noen når nå og også om opp oss på selv seg sin skal skulle som "
        "så til ut var ved vi vil ville vår være vært å"
    ),
    "fi": (
        "että ei eivät en ennen ette hän häntä he heidän ihan itse ja jo joka jolla jos jossa "
        "jotka kaikki kanssa kenen ketä kuin kuinka kuka kun koska kyllä me meidän meillä mikä "
        "miksi milloin millä minkä minua minulla minun minulle minä missä mistä mitä mutta myös "
        "ne niin nyt näin ole olen olet oli olin olla olisi on ovat se sen siellä siinä sillä "
        "sinun sinä sitä sitten tai te tämä tämän tuo tässä vaan vai vain vielä"
    ),
    "hu": (
        "a abban ahol aki alatt ami amikor annak az azt azért be csak de egy egyik el ez ezt én "
        "ennek ennyi fel hanem hogy hol hogyan ha igen is itt ki kell két le lesz lett ma már "
        "más meg mert mi mikor milyen mint mit miért most nagyon nekem nem neki nincs ő ők "
        "össze pedig sem só szerint te teljes több új utolsó után vagy vagyok van vannak volt "
        "voltam volna"
    ),
    "tr": (
        "acaba ama ancak bana bazı ben beni benim bir bize bizim biz bu buna bunu bunun çok "
        "çünkü da daha de değil diye en fakat gibi hangi hem hep her hiç için ile ise kadar kaç "
        "ki kim kimin mi mı mu mü nasıl ne neden nerede nereye nereden niçin o olan olarak oldu "
        "olduğu on ona onu onun onlar sana sen senin siz sizin şey şu tüm var vardı ve veya ya "
        "yani yok"
    ),
    "id": (
        "ada adalah agar akan aku anda apa apakah atau bagaimana bahwa beberapa bisa bukan "
        "dalam dan dapat dari dengan di dia dimana ini itu jika juga kalau kami kamu kapan "
        "karena ke kepada kita lagi lebih mana masih mengapa mereka namun nya oleh pada para "
        "saat saja sangat saya sebagai sedang siapa sudah telah tentang tetapi tidak untuk yang"
    ),
    "ru": (
        "а без больше бы был была были было быть в вам вас во вот все всё вы где да даже для до "
        "его ее её если есть еще ещё же за здесь и из или им их к как какая какие какой когда "
        "которая которые который кто куда ли меня мне мной мои мой моего моей моем моём моя моё "
        "мы на над нам нас наш не него нее неё нет ни них но ну о об он она они оно от очень по "
        "под после при про с себя со сколько так также там тебя то тогда того тоже только том "
        "ты у уже чего чем что чтобы эта эти это этого этот я"
    ),
    "el": (
        "ή αν από αυτή αυτό αυτός για δε δεν εγώ είμαι είναι είχα είχε ένα ένας έχει έχω η θα "
        "και κατά μας με μετά μη μην μια μου να ο οι όμως όπως ότι που πού πότε ποια ποιο ποιος "
        "πως πώς σας σε στα στη στην στις στο στον στους τα τη την της τι τις το τον του τους "
        "των ως"
    ),
    "hi": (
        "अपना अपनी अपने अब और आप इस इसके उस उसके एक और कब कर करता करती करते करना कहाँ कहां का "
        "कि किस की कुछ के को कौन कौन-सा क्या क्यों गई गए गया जब जा जो तक तो था थी थे दिया दो "
        "नहीं ने पर बहुत भी मुझे में मेरा मेरी मेरे मैं मैंने यह या ये रहा रही रहे लिए वह वे वो "
        "सकता सकती से हम हमारा हमारी हमारे ही हुआ हुई हूँ हूं है हैं हो होता होती होते"
    ),
    "ar": (
        "أن أنا أنت أو أي أين إلى إن الذي التي الى ان انا اي اين بعد بين به بها ثم حتى حيث ذلك "
        "عن على عليه عند عندي غير في فيه فيها قبل قد كان كانت كل كم كما كيف لا لأن لدي لقد لك "
        "لكن لم لن له لها لي ليس ما ماذا متى مع من منذ منه هذا هذه هل هناك هو هي و يا يكون"
    ),
    "fa": (
        "آن است اما او این ای با باید بر برای بود بودم به تا تو جا چرا چند چه چی خود خیلی در "
        "دارد دارم را شد شده شما کجا کدام که کی ما من می نمی نیست ها هر هست هم و ولی یا یک"
    ),
    "he": (
        "אבל או אותו אותי אז איך אין איפה אל אם אני אנחנו את אתה באיזה גם הוא היא הם היה הייתה "
        "הזה זה זו זאת יש כבר כי כל כמה לא לי לך לו למה מאוד מה מי מתי עד על עם רק של שלו שלי "
        "שלך שלנו"
    ),
    "hy": (
        "ամեն այդ այլ այն այս առանց բայց դա դու դուք եթե ենք եմ են ես եք երբ է էի էին էինք էիր էիք "
        "էր ըստ թե ին ինչ ինչպես ինչու իսկ իր կամ համար հետ հետո մեզ մեր մենք մեջ մի նա նաև նրա "
        "նրան նրանք նրանց ով որ որը որոնք որպես որտեղ ու ում չէ սա վրա քեզ քո և"
    ),
    "ta": (
        "அதன் அது அந்த அல்லது அவர் அவர்கள் அவள் அவன் ஆகும் இதன் இது இந்த இருந்தது இருந்து இல்லை இவர் "
        "உள்ள உன் எங்கே எது எந்த எப்படி எப்போது என் என்பது என்ற என்று என்ன எனக்கு ஏன் ஒரு கொண்டு சில "
        "தான் நாங்கள் நான் நீ நீங்கள் பல போன்ற மற்றும் மிகவும் யார் வேண்டும்"
    ),
}

BY_LANGUAGE = {language: frozenset(said.split()) for language, said in _SAID.items()}
"""By language, an ISO 639-1 code; lower case, as they are written."""

STOP_WORDS = BY_LANGUAGE["en"]
"""Those of English."""

# Of scripts without blanks. Their words are met as pairs of letters; see `terms`.
_SAID_WITHOUT_BLANKS = (
    # Chinese.
    "什么 什麼 么时候 麼時候 时候 時候 哪里 哪裡 哪儿 哪兒 哪个 哪個 哪些 哪家 哪天 哪位 在哪 "
    "怎么 怎麼 怎样 怎樣 么样 麼樣 为什么 為什麼 多少 几个 幾個 是谁 是誰 这个 這個 那个 那個 "
    "一个 一個 可以 已经 已經 因为 因為 所以 但是 如果 还是 還是 还有 還有 没有 沒有 不是 就是 "
    "请问 請問 告诉 告訴 一下 这样 這樣 那么 那麼 这里 這裡 那里 那裡 "
    # Japanese, in its own letters.
    "です でした ます ました ません でしょうか ますか ですか ですね ますね ですよ ください "
    "している していた しています ている ていた ています されて します しました には とは では "
    "からは まで より いる いない ある あります ありません ない なかった なら なります って "
    "だった のですか んですか どこ いつ なに なん だれ どれ どの どんな こと もの それ これ "
    "あれ その この あの いくつ いくら どのくらい うちの という といいます ことは ので のに "
    "けど しかし そして たい ように ような ため "
    # Korean.
    "습니다 입니다 합니다 습니까 입니까 합니까 까요 어요 아요 에요 예요 이에요 해요 하세요 세요 "
    "나요 가요 어디 어디에 언제 무엇 누구 어떤 얼마 내가 제가 나의 저의 우리 에서 으로 에게 "
    "하고 하는 있는 있어 있어요 있습니다 였습니다 었습니다 았습니다 했습니다 했어 했어요 인가요 "
    "인지 그리고 그런데 하지만 뭐야 뭐예요 무슨 몇시 입니 "
    # Thai.
    "ของ และ เป็น ไม่ได้ ได้ ให้ ใน ว่า อยู่ ฉัน ครับ นี้ นั้น อะไร ที่ไหน ไหน เมื่อไหร่ "
    "เมื่อไร ใคร อย่างไร เท่าไหร่ เท่าไร หรือ กับ จาก แล้ว ด้วย "
)
WITHOUT_BLANKS = tuple(_SAID_WITHOUT_BLANKS.split())
"""The same of scripts without blanks, and of Korean, whose endings hang on the word."""

STOP_LETTERS = frozenset("的了吗嗎呢吧啊们們我你您他她它是")
"""Letters that are such words by themselves, and seldom a part of others."""

STOP_SINGLE = STOP_LETTERS | frozenset(
    "在有和与與就都也很不这這那哪个個之其及以于於为為上下中来來去到说說要会會能可着著过過给給把被"
    "從从对對还還又再一二三四五六七八九十两兩几幾何谁誰么麼什些样樣"
)
"""Letters that say little when they stand alone."""

#include "core/ledger/phrase_tables.hpp"
#include "core/ledger/phrases.hpp"

namespace ctxmem {
namespace tables {
namespace {

// clang-format off
constexpr const char* kGerman[] = {
    "rule 8 n | ^ niemals/nie",
    "rule 7 n | bitte ~4 niemals/nie/nicht/keine/keinen/kein/nichts",
    "rule 8 n | du/sie/ihr/wir/man darfst/dürfen/dürft/darf ~5 nicht/nie/niemals/kein/keine/keinen",
    "rule 8 n | darf/dürfen ~5 nicht/nie/niemals/kein/keine/keinen",
    "rule 8 n | auf keinen fall",
    "rule 8 n | unter keinen umständen",
    "rule 7 - | ^ immer",
    "rule 7 - | ^ frag/frage/fragt/fragen (sie/mich/uns) immer/stets",
    "rule 7 - | ^ frag/frage/fragt/fragen (sie/mich/uns) ~2 ^ bevor",
    "rule 7 - | ^ prüf/prüfe/prüft/teste/testet/führ/führe/führt/hol/hole/holt/lass/lasse/lasst/sag/sage/sagt/zeig/zeige/zeigt/warte/wartet ~4 immer/stets",
    "rule 7 - | du/wir musst/müssen/sollst/sollen ~2 immer/stets/nie/niemals/nicht/keine",
    "rule 7 - | achte/achten/sorge/stelle ~3 darauf/dafür/sicher",
    "rule 6 n | ohne ~4 zu fragen",
    "rule 6 - | ^ nur",
    "rule 6 - | verwende/benutze/nutze/nimm/schreibe/schreib/ändere/lösche ~4 nur/nie/niemals/nicht/keine/keinen/immer",
    "limit 8 q | budget ~6 %num",
    "limit 8 - | höchstens/maximal/mindestens ~2 %num",
    "limit 8 n | nicht/keine/keinen mehr als ~2 %num",
    "limit 8 n | unter ~2 %num ~2 bleiben/halten",
    "instruction 9 q | ab jetzt/sofort",
    "instruction 9 q | von jetzt/nun an",
    "instruction 8 q | in zukunft",
    "instruction 8 q | künftig/zukünftig",
    "instruction 8 qc | jedes mal ^ wenn",
    "instruction 8 qc | jedesmal/immer (^) wenn ich/du/wir",
    "instruction 8 qc | wenn ich ~8 frage/schreibe/schicke/sage/bitte",
    "instruction 7 - | denk/denke/denken daran/dran",
    "instruction 7 n | vergiss/vergessen ~2 nicht",
    "instruction 6 - | ^ antworte/antworten/schreib/schreibe ~3 auf/in/immer/mit",
    "preference 8 q | ich/wir bevorzuge/bevorzugen/präferiere",
    "preference 8 q | ich/wir ~4 lieber",
    "preference 8 q | mir ist/wäre/sind ~5 lieber",
    "preference 7 q | ich mag",
    "preference 9 q | nenn/nenne/nennen ~1 mich",
    "preference 8 - | ^ duz*/siez* (sie) mich/uns",
    "preference 8 - | du/sie kannst/können/darfst/dürfen ~1 mich ~1 duzen/siezen",
    "preference 8 - | ^ sprich/sprecht/sprechen/rede/schreib/schreibe ~3 mich ~2 mit/per",
    "preference 8 - | wir duzen/siezen uns",
    "rule 7 n | ^ keine/keinen/kein ~4 bitte $",
    "decision 8 - | wir/ich ~3 entschieden/beschlossen/geeinigt",
    "decision 8 - | wir nehmen/verwenden/nutzen/bleiben/wechseln/machen",
    "decision 7 u | anstatt/statt/stattdessen",
    "decision 7 - | lass/lasst uns",
    "decision 7 - | ich nehme",
    "commitment 7 - | ich ~8 bis %day",
    "commitment 7 q | erinner/erinnere mich",
    "commitment 7 - | noch zu tun/erledigen",
    "commitment 6 - | als nächstes",
    "commitment 6 - | wir müssen noch",
    "deadline 8 q | frist/deadline/abgabe/abgabetermin ~6 %val",
    "deadline 8 q | muss/müssen/soll ~8 bis ~3 %day",
    "deadline 8 - | fällig ~3 %val",
    "value 6 u | ist jetzt/nun/inzwischen %val",
    "value 6 - | beträgt/liegt ~3 %val",
    "value 6 - | ich wiege ~2 %num",
    "correction 8 u | ^ nein ^ es/das/der/die/ich",
    "correction 8 u | ^ korrektur",
    "correction 8 u | ich meinte",
    "correction 7 ut | nicht mehr",
    "correction 8 qu | meinung geändert",
    "correction 7 u | geändert/verschoben/umgestellt ~3 auf %val",
    "correction 7 u | auf %val geändert/verschoben/umgestellt",
    "dead_end 7 n | versucht/probiert ~9 nicht/nichts/ohne/fehlgeschlagen/gescheitert",
    "dead_end 6 n | hat ~4 nicht funktioniert/geholfen/geklappt",
    "permission 7 t | du/sie darfst/kannst/dürfen/können ~8 wieder/ignorieren/weglassen",
    "permission 7 t | vergiss ~2 die/den/das",
    "permission 6 - | du darfst",
    "permission 8 t | du/ihr/sie/wir musst/müsst/müssen/brauchst/braucht/brauchen ~2 nicht !nur/bloß",
    "permission 8 t | du/ihr/sie/wir brauchst/braucht/brauchen ~2 kein/keine/keinen/keiner",
    "permission 8 t | musst/müsst/müssen/brauchst/braucht/brauchen du/ihr/sie ~2 nicht !nur/bloß",
    "permission 8 t | musst/müsst/müssen/brauchst/braucht/brauchen ~7 nicht (mehr) fragen/nachfragen/rückfragen/bestätigen/warten",
    "permission 7 t | darfst/kannst/dürfen/können du/ihr/sie ~8 wieder",
    "permission 7 t | ist/sind (jetzt/nun/ab) ~2 (wieder) erlaubt/gestattet",
    "permission 7 t | ist/sind ~1 (jetzt/nun/wieder) okay/ok/in",
    "fact 9 q | ich heiße/heisse",
    "fact 9 q | mein name ist",
    "fact 9 q | ich bin ~2 allergisch/vegetarier/vegetarierin/veganer/veganerin/diabetiker/diabetikerin/schwanger",
    "fact 8 q | ich wohne/lebe/arbeite",
    "fact 7 q | ich habe ~2 kinder/diabetes/hund/katze/tochter/sohn",
    "fact 7 q | mein/meine frau/mann/sohn/tochter/chef/chefin/team/partner ist/hat",
    "acceptance 7 - | ^ ja/gerne/okay/einverstanden/genau/klingt/passt/perfekt/mach/machen",
    "refusal 7 - | ^ nein",
};
constexpr const char* kFrench[] = {
    "rule 8 n | ^ ne ~3 jamais",
    "rule 8 n | ^ n'* jamais/pas",
    "rule 7 n | ^ ne %verb pas",
    "rule 8 n | ^ jamais",
    "rule 8 n | il ne faut ~1 jamais/pas/surtout",
    "rule 8 n | tu/vous/on/nous ne dois/devez/doit/devons/peux/pouvez/peut ~2 pas/jamais",
    "rule 8 n | en aucun cas",
    "rule 8 n | sous aucun prétexte",
    "rule 7 - | ^ toujours",
    "rule 7 - | ^ demande/demandez/demande-moi/demandez-moi/demande-nous/consulte-moi/consultez-moi/préviens-moi/prévenez-moi toujours",
    "rule 7 - | ^ demande/demandez/demande-moi/demandez-moi/demande-nous/consulte-moi/consultez-moi/préviens-moi/prévenez-moi ~2 avant",
    "rule 7 - | ^ fais/faites/lance/lancez/vérifie/vérifiez/teste/testez/obtiens/obtenez/montre/montrez toujours",
    "rule 7 - | tu/vous/il dois/devez/faut/doit toujours",
    "rule 7 - | ^ utilise/utilisez/réponds/répondez/écris/écrivez/mets/mettez/donne/donnez toujours/uniquement/seulement",
    "rule 7 - | assure-toi/assurez-vous/veille/veillez",
    "rule 6 n | sans ~2 demander",
    "limit 8 q | budget ~6 %num",
    "limit 8 - | au (grand) maximum/plus ~2 %num",
    "limit 8 n | pas ~3 plus de ~1 %num",
    "limit 8 n | pas dépasser ~2 %num",
    "instruction 9 q | à partir de maintenant",
    "instruction 9 q | désormais/dorénavant",
    "instruction 8 q | à l'avenir",
    "instruction 8 qc | chaque fois que/qu'*",
    "instruction 8 qc | quand je ~2 demande/envoie/dis",
    "instruction 7 - | n'oublie/n'oubliez pas",
    "instruction 7 - | pense/pensez/souviens-toi à/de/que",
    "preference 8 q | je/nous préfère/préfèrerais/préférerais/préférons",
    "preference 8 q | j'aime/j'aimerais/j'adore ~3 mieux/plutôt/que/bien",
    "preference 7 qn | je n'aime pas",
    "preference 9 q | appelle-moi/appelez-moi",
    "preference 8 - | ^ tutoie-moi/tutoyez-moi/vouvoie-moi/vouvoyez-moi/tutoyons-nous/vouvoyons-nous",
    "preference 8 - | on se tutoie/vouvoie",
    "preference 8 - | ^ tu/vous peux/pouvez me tutoyer/vouvoyer",
    "rule 7 n | ^ pas de/d'* ~4 (s'il) plaît/svp/stp",
    "decision 8 - | on/nous ~2 décidé/choisi/opté/convenu",
    "decision 8 - | j'ai ~1 décidé/choisi/opté",
    "decision 7 - | on part/garde/prend/utilise/va",
    "decision 7 u | au lieu de",
    "decision 7 u | plutôt que",
    "commitment 7 q | rappelle-moi/rappelez-moi",
    "commitment 7 - | il reste à",
    "commitment 7 - | je ~8 avant/d'ici %day",
    "commitment 6 - | prochaine étape",
    "deadline 8 - | à rendre/livrer/finir/terminer ~3 avant/pour ~2 %day",
    "deadline 8 q | date limite/butoir",
    "deadline 8 q | échéance ~4 %val",
    "deadline 7 q | doit/dois/devons/faut ~8 avant/d'ici ~2 %day",
    "value 6 u | est maintenant/désormais ~2 %val",
    "value 6 u | passé/passe à ~1 %val",
    "correction 8 u | ^ non ^ c'est/ce/le/la/il",
    "correction 8 u | en fait c'est",
    "correction 7 ut | ne/n'* ~3 plus",
    "correction 8 qu | changé d'avis",
    "correction 7 u | je voulais dire",
    "dead_end 7 n | essayé ~9 pas/échoué/rien/marche/sans",
    "dead_end 6 n | n'a ~1 pas marché/fonctionné",
    "permission 7 t | tu/vous peux/pouvez ~8 nouveau/ignorer",
    "permission 7 t | oublie/oubliez la/le/les/ce",
    "permission 8 t | tu/vous n'as/n'avez/as/avez pas/plus besoin",
    "permission 8 t | il n'est pas/plus nécessaire/obligatoire",
    "permission 7 t | est/sont (de) (nouveau/maintenant/désormais) autorisé/autorisée/autorisés/autorisées/permis/permise/permises",
    "fact 9 q | je m'appelle",
    "fact 9 q | je suis ~2 allergique/végétarien/végétarienne/végan/diabétique/enceinte",
    "fact 8 q | j'habite",
    "fact 8 q | je vis/travaille à/en/chez/comme",
    "fact 7 q | j'ai ~1 enfants/ans/diabète/chien/fille/fils",
    "fact 7 q | mon/ma femme/mari/fils/fille/chef/équipe est/a",
    "acceptance 7 - | ^ oui/d'accord/parfait/vas-y/allez-y/volontiers",
    "refusal 7 - | ^ non",
};
constexpr const char* kSpanish[] = {
    "rule 8 n | ^ nunca/jamás",
    "rule 7 n | ^ no %verb nunca/nada/ningún",
    "rule 7 n | ^ por favor (^) no/nunca",
    "rule 7 n | ^ no uses/use/toques/borres/cambies/modifiques/pongas/hagas/envíes/compartas/reserves/añadas/incluyas/escribas",
    "rule 8 n | no debes/debe/puedes/puede/debemos/podemos ~3 nunca/jamás",
    "rule 7 n | no debes/debemos/podemos",
    "rule 8 n | bajo ninguna circunstancia",
    "rule 8 n | en ningún caso",
    "rule 7 - | ^ siempre",
    "rule 7 - | ^ pregunta/pregunte/pregúntame/pregúnteme/consulta/consúltame/consúlteme/avísame/avíseme siempre",
    "rule 7 - | ^ pregunta/pregunte/pregúntame/pregúnteme/consulta/consúltame/consúlteme/avísame/avíseme ~2 antes",
    "rule 7 - | ^ ejecuta/ejecute/haz/haga/prueba/pruebe/revisa/revise/comprueba/compruebe/muestra/muéstrame siempre",
    "rule 7 - | debes/tienes/tenemos (que) siempre",
    "rule 7 - | asegúrate/asegúrese de",
    "rule 7 - | ^ usa/utiliza/responde/escribe ~1 siempre/solo/sólo/únicamente",
    "limit 8 q | presupuesto ~6 %num",
    "limit 8 - | como máximo ~2 %num",
    "limit 8 - | máximo (de) ~2 %num",
    "limit 8 n | no/sin ~4 más de ~1 %num",
    "instruction 9 q | a partir de ahora",
    "instruction 9 q | de ahora en adelante",
    "instruction 8 q | en el futuro",
    "instruction 8 qc | cada vez que",
    "instruction 8 qc | siempre que",
    "instruction 8 qc | cuando te ~1 pida/pregunte/envíe/diga",
    "instruction 7 - | recuerda/acuérdate que/de",
    "instruction 7 - | no olvides/te olvides",
    "preference 8 q | prefiero/preferimos/preferiría",
    "preference 8 q | me gusta/gustan/gustaría ~4 más",
    "preference 7 qn | no me gusta/gustan",
    "preference 9 q | llámame/llámeme",
    "preference 8 - | ^ tutéame/tutéeme/tuteame/trátame/háblame de tú/usted",
    "preference 8 - | ^ tutéame/tutéeme/tuteémonos",
    "decision 8 - | hemos/he decidido/elegido/acordado/optado",
    "decision 8 - | decidimos/decidí/acordamos/elegimos",
    "decision 7 - | vamos a usar/con/por",
    "decision 7 - | ^ usemos/quedémonos",
    "decision 7 u | en lugar/vez de",
    "commitment 7 q | recuérdame",
    "commitment 7 - | queda/quedan/falta por",
    "commitment 6 - | siguiente/próximo paso",
    "deadline 8 q | fecha límite",
    "deadline 8 q | plazo ~5 %val",
    "deadline 8 q | para/antes (del) (el) %day",
    "value 6 u | ahora es/son %val",
    "value 6 u | es ahora %val",
    "correction 8 u | ^ no ^ es/el/la",
    "correction 8 u | en realidad es/son",
    "correction 7 ut | ya no",
    "correction 8 qu | cambiado/cambié de opinión/idea",
    "correction 7 u | quería/quise decir",
    "dead_end 7 n | probé/intenté/probado/intentado ~9 no/falló/nada/sin",
    "dead_end 6 n | no funcionó/sirvió/ayudó",
    "permission 7 t | puedes/puede ~6 nuevo/ignorar/otra",
    "permission 7 t | olvida/olvídate la/lo/el/de",
    "permission 8 t | no tienes/tiene/tenéis/tienen que",
    "permission 8 t | no necesitas/necesita/necesitan !más",
    "permission 8 t | no hace/es falta/necesario",
    "permission 7 t | está/están/es/son (ahora) permitido/permitida/permitidos/permitidas",
    "fact 9 q | me llamo",
    "fact 9 q | mi nombre es",
    "fact 9 q | soy ~1 alérgico/alérgica/vegetariano/vegetariana/vegano/vegana/diabético/diabética/celíaco/celíaca",
    "fact 8 q | vivo en",
    "fact 8 q | trabajo en/como/de/para",
    "fact 7 q | tengo ~2 años/hijos/hijas/diabetes/perro",
    "fact 7 q | mi mujer/esposa/marido/esposo/hijo/hija/jefe/jefa/equipo es/está/tiene",
    "acceptance 7 - | ^ sí/vale/claro/perfecto/adelante/bueno/hazlo",
    "refusal 7 - | ^ no ^",
};
constexpr const char* kItalian[] = {
    "rule 8 n | ^ mai",
    "rule 8 n | ^ non %verb ~2 mai/nulla/niente/nessun",
    "rule 7 n | ^ per favore (^) non",
    "rule 7 n | ^ non usare/toccare/cancellare/modificare/cambiare/inviare/condividere/mettere/aggiungere/scrivere/fare/prenotare",
    "rule 8 n | non devi/deve/dobbiamo/puoi/possiamo ~2 mai",
    "rule 7 n | non devi/dobbiamo/possiamo",
    "rule 8 n | in nessun caso",
    "rule 8 n | per nessun motivo",
    "rule 7 - | ^ sempre",
    "rule 7 - | devi/dobbiamo (sempre) %verb",
    "rule 7 - | ^ usa/rispondi/scrivi ~1 sempre/solo/soltanto",
    "rule 7 - | assicurati/accertati di/che",
    "rule 6 n | senza chiedermi/chiedere",
    "limit 8 q | budget ~6 %num",
    "limit 8 - | al massimo ~2 %num",
    "limit 8 - | massimo ~2 %num",
    "limit 8 n | non ~4 più di ~1 %num",
    "limit 8 n | non superare ~2 %num",
    "instruction 9 q | d'ora in poi/avanti",
    "instruction 9 q | da ora/adesso in poi/avanti",
    "instruction 8 q | in futuro",
    "instruction 8 qc | ogni volta che",
    "instruction 8 qc | quando ti chiedo/mando/dico",
    "instruction 7 - | ricorda/ricordati che/di",
    "instruction 7 - | non dimenticare/dimenticarti",
    "preference 8 q | preferisco/preferirei/preferiamo",
    "preference 8 q | mi piace/piacciono ~4 più/di",
    "preference 7 qn | non mi piace/piacciono",
    "preference 9 q | chiamami",
    "preference 8 - | ^ dammi/diamoci/dammi/mi (pure) del tu/lei",
    "decision 8 - | abbiamo/ho deciso/scelto/optato",
    "decision 7 - | andiamo/usiamo/teniamo/prendiamo con/il/la/i",
    "decision 7 u | invece di",
    "decision 7 u | al posto di/del/della",
    "commitment 7 q | ricordami",
    "commitment 7 - | resta/rimane/restano da",
    "commitment 6 - | prossimo passo",
    "deadline 8 q | scadenza ~5 %val",
    "deadline 8 q | entro ~2 %day",
    "value 6 u | ora/adesso è/sono %val",
    "value 6 u | è ora/adesso %val",
    "correction 8 u | ^ no ^ è/il/la",
    "correction 8 u | in realtà è/sono",
    "correction 7 ut | non ~3 più",
    "correction 8 qu | cambiato idea",
    "correction 7 u | volevo/intendevo dire",
    "dead_end 7 n | provato/tentato ~9 non/fallito/niente/senza",
    "dead_end 6 n | non ha funzionato",
    "permission 7 t | puoi/può ~6 nuovo/ignorare",
    "permission 7 t | dimentica/dimenticati la/il/di/quello",
    "permission 8 t | non (c'è/hai/è) (più) bisogno/necessario",
    "permission 8 t | non serve/occorre (più)",
    "fact 9 q | mi chiamo",
    "fact 9 q | il mio nome è",
    "fact 9 q | sono ~1 allergico/allergica/vegetariano/vegetariana/vegano/vegana/diabetico/diabetica/celiaco/celiaca",
    "fact 8 q | abito/vivo a/in",
    "fact 8 q | lavoro come/in/a/per",
    "fact 7 q | ho ~2 anni/figli/figlie/diabete/cane",
    "fact 7 q | mio/mia moglie/marito/figlio/figlia/capo è/ha",
    "acceptance 7 - | ^ sì/certo/perfetto/d'accordo/procedi/ok",
    "refusal 7 - | ^ no ^",
};
constexpr const char* kPortuguese[] = {
    "rule 8 n | ^ nunca/jamais",
    "rule 7 n | ^ não %verb nunca/nada/nenhum",
    "rule 7 n | ^ por favor (^) não/nunca",
    "rule 7 n | ^ não use/usa/toque/apague/altere/mude/coloque/faça/envie/partilhe/compartilhe/reserve/adicione/escreva/mexa",
    "rule 8 n | não deve/deves/pode/podes/devemos/podemos ~2 nunca/jamais",
    "rule 7 n | não deves/devemos/podemos",
    "rule 8 n | em hipótese alguma",
    "rule 8 n | em nenhuma circunstância",
    "rule 7 - | ^ sempre %verb",
    "rule 7 - | deve/deves/tens/tem (que/de) sempre",
    "rule 7 - | certifique-se/certifica-te de",
    "rule 7 - | ^ use/usa/responda/responde/escreva/escreve ~1 sempre/só/somente/apenas",
    "rule 6 n | sem ~2 minha (autorização/aprovação)",
    "limit 8 q | orçamento ~6 %num",
    "limit 8 - | no máximo ~2 %num",
    "limit 8 - | máximo (de) ~2 %num",
    "limit 8 n | não ~4 mais de/do ~2 %num",
    "instruction 9 q | a partir de agora",
    "instruction 9 q | de agora em diante",
    "instruction 8 q | daqui em/para diante/frente",
    "instruction 8 q | no futuro",
    "instruction 8 qc | sempre/cada que/vez que/eu",
    "instruction 8 qc | quando eu ~1 pedir/perguntar/enviar/disser",
    "instruction 7 - | lembre-se/lembra-te de/que",
    "instruction 7 - | não se/te esqueça/esqueças",
    "preference 8 q | prefiro/preferimos/preferia",
    "preference 8 q | gosto mais",
    "preference 7 qn | não gosto",
    "preference 9 q | chame-me/chama-me",
    "preference 9 q | me chame/chama de",
    "decision 8 - | decidi/decidimos/escolhemos/optamos",
    "decision 7 - | vamos usar/com/ficar/de",
    "decision 7 u | em vez/lugar de",
    "commitment 7 q | lembre-me/lembra-me",
    "commitment 7 - | falta/faltam/resta ainda",
    "commitment 6 - | próximo passo",
    "deadline 8 q | prazo ~5 %val",
    "deadline 8 q | data limite",
    "deadline 8 q | até ~2 %day",
    "value 6 u | agora é/são %val",
    "value 6 u | é agora %val",
    "correction 8 u | ^ não ^ é/o/a",
    "correction 8 u | na verdade é/são",
    "correction 7 ut | já não",
    "correction 7 ut | não ~4 mais",
    "correction 8 qu | mudei/mudamos de ideia/ideias",
    "correction 7 u | quis/queria dizer",
    "dead_end 7 n | tentei/tentamos/experimentei ~9 não/falhou/nada/sem",
    "dead_end 6 n | não funcionou/resultou/adiantou",
    "permission 7 t | pode/podes ~6 novo/ignorar/novamente",
    "permission 7 t | esqueça/esquece a/o/isso",
    "permission 8 t | não precisa/precisas/precisam (mais)",
    "permission 8 t | não é (mais) preciso/necessário",
    "permission 8 t | já não precisa/precisas/precisam",
    "fact 9 q | me chamo",
    "fact 9 q | chamo-me",
    "fact 9 q | meu nome é",
    "fact 9 q | sou ~1 alérgico/alérgica/vegetariano/vegetariana/vegano/vegana/diabético/diabética/celíaco/celíaca",
    "fact 8 q | moro/vivo em/no/na",
    "fact 8 q | trabalho em/como/no/na/para",
    "fact 7 q | tenho ~2 anos/filhos/filhas/diabetes/cão/cachorro",
    "fact 7 q | minha/meu mulher/esposa/marido/filho/filha/chefe/equipa/equipe é/está/tem",
    "acceptance 7 - | ^ sim/claro/perfeito/ok/pode/combinado",
    "refusal 7 - | ^ não ^",
};
constexpr const char* kDutch[] = {
    "rule 8 n | ^ nooit",
    "rule 8 n | ^ gebruik/verander/wijzig/verwijder/schrijf/stuur/deel/boek/raak/zet/doe/maak/geef ~4 nooit/niet/geen/alleen/altijd",
    "rule 8 n | je/u/we/wij mag/mogen/moet/moeten ~4 nooit/niet/geen/altijd",
    "rule 8 n | in geen geval",
    "rule 8 n | onder geen beding/enkele",
    "rule 7 - | ^ altijd",
    "rule 7 - | zorg ervoor/er dat/voor",
    "rule 6 n | zonder ~4 te vragen",
    "limit 8 q | budget ~6 %num",
    "limit 8 - | hoogstens/maximaal/hooguit ~2 %num",
    "limit 8 n | niet/geen meer dan ~2 %num",
    "instruction 9 q | vanaf nu",
    "instruction 9 q | van nu af",
    "instruction 8 q | in het vervolg",
    "instruction 8 q | voortaan",
    "instruction 8 qc | elke/iedere keer",
    "instruction 8 qc | telkens als/wanneer",
    "instruction 8 qc | als ik ~6 vraag/stuur/zeg",
    "instruction 7 - | denk eraan",
    "instruction 7 n | vergeet ~2 niet",
    "instruction 6 - | ^ antwoord ~2 in/met",
    "preference 8 q | ik/wij/we ~3 liever",
    "preference 8 q | ik/wij/we prefereer/prefereren",
    "preference 8 q | ik geef de voorkeur",
    "preference 7 qn | ik hou niet van",
    "preference 9 q | noem me/mij",
    "decision 8 - | we/wij/ik ~3 besloten/gekozen/afgesproken",
    "decision 8 - | we/wij gaan voor/met",
    "decision 7 - | laten we",
    "decision 7 u | in plaats van",
    "commitment 7 q | herinner me/mij",
    "commitment 7 - | nog te doen",
    "commitment 6 - | volgende stap",
    "deadline 8 q | deadline ~5 %val",
    "deadline 8 q | moet/moeten ~8 voor/vóór/uiterlijk ~2 %day",
    "deadline 8 q | uiterlijk ~2 %day",
    "value 6 u | is nu/inmiddels ~1 %val",
    "correction 8 u | ^ nee ^ het/de/dat",
    "correction 8 u | eigenlijk is het",
    "correction 7 ut | niet meer",
    "correction 8 qu | van gedachten veranderd",
    "correction 7 u | ik bedoelde",
    "dead_end 7 n | geprobeerd ~9 niet/mislukt/niets/zonder",
    "dead_end 6 n | werkte/hielp niet",
    "permission 7 t | je/u mag/kunt/kan ~7 weer/negeren",
    "permission 7 t | vergeet de/het/die regel/wat",
    "permission 8 t | je/u/jullie hoeft/hoef/hoeven ~3 niet/geen !alleen",
    "fact 9 q | ik heet",
    "fact 9 q | mijn naam is",
    "fact 9 q | ik ben ~1 allergisch/vegetariër/veganist/zwanger/diabeet",
    "fact 8 q | ik woon/werk in/als/bij/voor",
    "fact 7 q | ik heb ~2 kinderen/diabetes/hond/kat/dochter/zoon",
    "fact 7 q | mijn vrouw/man/zoon/dochter/baas/team is/heeft",
    "acceptance 7 - | ^ ja/akkoord/prima/graag/oké/doe",
    "refusal 7 - | ^ nee",
};
constexpr const char* kJapanese[] = {
    "rule 8 n | 絶対に", "rule 8 n | 決して", "rule 8 n | しないでください", "rule 8 n | ないでください",
    "rule 8 n | してはいけません", "rule 7 - | 必ず", "limit 8 - | 予算は", "limit 8 n | 以内に",
    "instruction 9 q | 今後は", "instruction 9 q | これからは", "instruction 8 q | 常に",
    "preference 8 q | の方が好き", "preference 8 q | のほうが好き", "preference 8 q | が好みです",
    "preference 9 q | と呼んでください", "decision 8 - | にします", "decision 8 - | に決めました",
    "deadline 8 - | 締め切りは", "deadline 8 - | 締切は", "deadline 7 - | までに",
    "correction 8 u | に変更", "correction 7 ut | もう必要ありません", "dead_end 7 n | うまくいきませんでした",
    "fact 9 q | 私の名前は", "fact 9 q | アレルギー", "fact 8 q | に住んでいます",
    "acceptance 7 - | ^ はい", "refusal 7 - | ^ いいえ",
};
constexpr const char* kChinese[] = {
    "rule 8 n | 绝对不要", "rule 8 n | 千万不要", "rule 8 n | 不要再", "rule 8 n | 请不要", "rule 8 n | 永远不要",
    "rule 8 n | 不得", "rule 8 n | 禁止", "rule 7 - | 必须", "rule 7 - | 务必", "limit 8 - | 预算是",
    "limit 8 - | 预算为", "limit 8 n | 不超过", "limit 8 n | 不能超过", "limit 8 - | 最多",
    "instruction 9 q | 从现在开始", "instruction 9 q | 从现在起", "instruction 9 q | 以后请", "instruction 8 qc | 每次",
    "instruction 8 q | 记得", "preference 8 q | 我更喜欢", "preference 8 q | 我喜欢", "preference 8 q | 我偏好",
    "preference 9 q | 请叫我", "preference 9 q | 叫我", "decision 8 - | 我们决定", "decision 8 - | 我决定",
    "decision 7 - | 我们用", "decision 7 u | 而不是", "deadline 8 - | 截止日期", "deadline 7 - | 之前完成",
    "value 6 u | 现在是", "correction 8 u | 改成", "correction 8 u | 改为", "correction 7 ut | 不再",
    "dead_end 7 n | 试过", "permission 7 t | 可以忽略", "fact 9 q | 我叫", "fact 9 q | 我的名字",
    "fact 9 q | 我对 ~9 过敏", "fact 8 q | 我住在", "acceptance 7 - | ^ 好的", "acceptance 7 - | ^ 可以",
    "acceptance 7 - | ^ 是的", "refusal 7 - | ^ 不",
};

constexpr WordRoles kRoles[] = {
    {"opener", "please also then ok okay yes no hey hi hello well actually just btw again important note remember plus "
               "oh hmm thanks great sure sorry first second finally lastly additionally otherwise nope correction "
               "bitte also ja nein und sinon alors donc s'il por favor per e y então ah still however therefore "
               "ook wel dus afterwards later now today everyone team and whatever happens seriously really "
               "definitely absolutely still generally but rule reminder stp svp nee oké nein sí sì sim não non s'il"},
    {"joiner", "and but so then or because since as und aber denn weil et mais ou car y pero o porque e ma però "
               "mas ou en maar want dus that which"},
    {"asks", "can could would will do does did is are was were should shall may might have has what how why where "
             "who whom whose which am isn't aren't don't doesn't didn't can't couldn't wouldn't won't shouldn't haven't "
             "kannst können könntest könnten wie was warum wo wer welche welcher soll sollte ist sind hast haben gibt "
             "peux pouvez pourrais pourriez comment pourquoi quel quelle est-ce qu'est-ce où "
             "puedes puede podrías cómo qué por cuál dónde puoi può potresti come cosa perché quale dove "
             "podes pode poderia como quê qual onde kun kunt hoe wat waarom waar wie welke is zou any when"},
    {"if", "if suppose supposing imagine assuming wenn falls si se als"},
    {"reporter", "contract lease law tutorial recipe he she they colleague docs documentation article error message people someone guide book blog doc "
                 "manual readme it log site website page tutorial friend reviewer teacher instructions label paper "
                 "everybody somebody cto ceo intern study studies expert experts scientists critics news video character hero author neighbor "
                 "neighbour aunt uncle grandmother grandma grandfather judge court er man leute il on ils él ella lui lei ele ela hij ze policy faq somewhere sign notice poster"},
    {"says", "say says said tell tells told claim claims claimed read reads suggest suggests suggested recommend "
             "recommends recommended wrote writes states stated heard insists insisted insist argue shows showed explain explains describes indicates sagt sagte meinte dit disait "
             "dice dijo detto diz disse zegt zei mentions mentioned warns warned argues think thinks thought believe believes"},
    {"no_imperative", "heard knew been had got saw thought tried used worked happens mind seen went gets does did was "
                      "is are were felt found came made have has returns fails says gives goes seems liked understood a an the "
                      "on at in my that this these those really quite sure i you we he she it they to not there so as "
                      "too very more less one possible easy hard fun good great nice wondered sleep happened "
                      "ever again before enough worry hesitate know think believe remember see get about what how "
                      "when where why who which if wrong right same different half bit lot little few fan confused "
                      "curious wondering able going afraid aware big huge and or but bother would could can will "
                      "nothing everything something nobody anyone i'm i've i'd i'll we're we've we'll you're he's she's it's there's that's what's our their his her its problem "
                      "problems idea luck worries one clue way thanks matter news chance pressure kidding "
                      "understand fully recall quite sure even your because with for from of by"},
    {"day", "monday tuesday wednesday thursday friday saturday sunday january february march april june july august "
            "september october november december jan feb mar apr jun jul aug sep sept oct nov dec tomorrow tonight "
            "today noon midnight eod eow week month year weekend morning evening afternoon quarter end mon tue wed "
            "mondays tuesdays wednesdays thursdays fridays saturdays sundays thu fri mid-january mid-february mid-march mid-april mid-may mid-june mid-july mid-august mid-september "
            "mid-october mid-november mid-december spring summer fall autumn winter christmas easter "
            "montag dienstag mittwoch donnerstag freitag samstag sonntag januar februar märz mai juni juli oktober "
            "dezember morgen lundi mardi mercredi jeudi vendredi samedi dimanche janvier février mars avril juin "
            "juillet août septembre octobre novembre décembre demain lunes martes miércoles jueves viernes sábado "
            "domingo enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre mañana "
            "lunedì martedì mercoledì giovedì venerdì sabato domenica gennaio febbraio aprile maggio giugno luglio "
            "settembre ottobre dicembre domani segunda terça quarta quinta sexta janeiro fevereiro março junho julho "
            "setembro outubro novembro dezembro amanhã maandag dinsdag woensdag donderdag vrijdag zaterdag zondag "
            "januari februari maart mei juni juli augustus oktober may"},
    {"copula", "is are equals = ist sind est sont es son è é são zijn beträgt"},
    {"owner", "my our mein meine meinen unser unsere mon ma mes notre nos mi mis nuestro nuestra mio mia nostro nostra "
              "meu minha nosso nossa mijn onze ons"},
    {"article", "the this der die das le la el lo il o a de het os i"},
    {"now", "now currently instead anymore again longer actually switched changed updated correction update "
            "increased decreased raised lowered extended rescheduled postponed pushed bumped upgraded renamed jetzt nun "
            "inzwischen stattdessen maintenant désormais ahora agora ora adesso nu inmiddels meanwhile moved"},
    {"filler", "stored located hosted running based kept now currently still at set to down up only about around roughly exactly just called named on in a "
               "an the als jetzt nun bei maintenant ahora ora agora nu approximately today already also version"},
    {"no_subject", "error exception output result problem issue question message text response reason idea thing way "
                   "answer difference example it that this there what which he she i you we they who here time part "
                   "point case one all these those such same other something everything nothing fehler problem frage "
                   "bug that's it's probability chance odds es das was if status trouble worry concern understanding"},
    {"points", "that those them it this these das dies cela ça eso quello isso dat such"},
    {"no", "not no never don't can't cannot won't mustn't shouldn't isn't aren't didn't doesn't without nothing nobody "
           "nicht nie niemals kein keine keinen ne pas jamais nunca jamás non mai não niet nooit geen dont avoid"},
    {"pasted", "email e-mail mail article document doc policy log logs output error traceback transcript readme contract "
               "agreement letter message text terms review page excerpt paragraph post thread conversation response "
               "result results draft story essay abstract summary mail dokument artikel text courriel correo documento "
               "artículo articolo documento e-mail artigo notes invoice brochure leaflet"},
    {"shows", "here here's below following says said wrote got pasted from forwarded this attached quote quoting hier "
              "folgende voici suivant aquí siguiente ecco seguente aqui seguinte volgende sent received copied is"},
    {"unit", "eur euro euros usd dollars dollar gbp pounds words minutes hours days percent ms seconds kg grams"},
    {"self", "i i'm i've i'd i'll me my mine myself we we're we've we'd we'll us our ours let's lets please pls "
             "ich mir mich mein meine meinen wir uns unser unsere bitte je j'ai j'aime moi mon ma mes nous notre nos "
             "yo me mi mis nosotros nuestro nuestra io mio mia noi nostro nostra eu meu minha nós nosso nossa "
             "ik mij mijn wij ons onze"},
    {"requests", "please pls can could would i i'm i'd i've my we our now so what how summarize summarise reply answer "
                 "translate rewrite draft bitte kannst können peux pouvez puedes puede kun"},
    {"transforms", "rewrite translate summarize summarise paraphrase proofread reword rephrase shorten edit correct "
                   "check review improve explain classify analyze analyse polish simplify critique grade condense"},
    {"name_noun", "name branch host hostname bucket username user handle repo repository database table column schema "
                  "channel password passphrase nickname db index queue topic tag name's model package image library "
                  "service cluster instance project"},
    {"marks", "was read not unsure i no don't dont maybe perhaps might supposedly apparently thinking wonder wondering back "
              "years year last when in the at as my our we"},
    {"count", "one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty hundred "
              "zwei drei vier fünf sechs sieben acht neun zehn elf zwölf zwanzig dreißig fünfzig hundert deux trois "
              "quatre cinq huit dix onze douze vingt trente cinquante cent tres cuatro cinco seis siete ocho nueve diez "
              "doce veinte treinta due tre quattro cinque sette otto nove dieci dodici venti dois três quatro oito dez "
              "twee drie vijf zeven tien twaalf twintig"},
    {"name_only", "name branch hostname bucket username handle repo repository schema password passphrase nickname name's"},
    {"adverb", "actually just really also still now currently definitely absolutely honestly personally simply already "
               "finally recently generally usually typically normally kindly basically totally strongly"},
    {"kind_noun", "room port version floor gate platform page line seat row step sprint apartment suite building terminal "
                  "track hall desk aisle lane channel region"},
};
// clang-format on

}  // namespace

std::span<const char* const> german() { return kGerman; }
std::span<const char* const> french() { return kFrench; }
std::span<const char* const> spanish() { return kSpanish; }
std::span<const char* const> italian() { return kItalian; }
std::span<const char* const> portuguese() { return kPortuguese; }
std::span<const char* const> dutch() { return kDutch; }
std::span<const char* const> japanese() { return kJapanese; }
std::span<const char* const> chinese() { return kChinese; }

}  // namespace tables

std::span<const PhraseRows> phrase_rows() {
    static const std::vector<PhraseRows> rows = [] {
        std::vector<PhraseRows> all = {{0, tables::english()},    {0, tables::english_forms()},
                                       {1, tables::german()},     {2, tables::french()},
                                       {3, tables::spanish()},    {4, tables::italian()},
                                       {5, tables::portuguese()}, {6, tables::dutch()},
                                       {7, tables::japanese()},   {8, tables::chinese()}};
        const auto short_rules = tables::short_rules();
        all.insert(all.end(), short_rules.begin(), short_rules.end());
        return all;
    }();
    return rows;
}

std::span<const WordRoles> word_roles() { return tables::kRoles; }

}  // namespace ctxmem

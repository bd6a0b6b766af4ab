// Rules without a verb, in every language of the tables: "no emojis", "metric units please", "code
// comments in German". Most sentences that begin with "no" are answers or news: "no problem", "no
// errors in the log". The table of a language begins with the nouns of such answers and news.
#include <array>

#include "core/ledger/phrase_tables.hpp"
#include "core/ledger/phrases.hpp"

namespace ctxmem::tables {

// clang-format off
#define CTXMEM_NEWS_EN \
    "error/errors/warning/warnings/failure/failures/crash/crashes/exception/exceptions/issue/issues/" \
    "problem/problems/bug/bugs/conflict/conflicts/difference/differences/change/changes/update/updates/" \
    "result/results/match/matches/hit/hits/output/input/data/entry/entries/record/records/row/rows/" \
    "response/responses/reply/replies/answer/answers/word/message/messages/comment/question/questions/" \
    "objection/objections/complaint/complaints/concern/concerns/doubt/doubts/offense/offence/hurry/rush/" \
    "reason/reasons/matter/biggie/joke/dice/good/deal/deals/sign/signs/trace/traces/evidence/proof/" \
    "effect/effects/improvement/progress/luck/success/avail/hope/money/time/longer/more/one/wonder/" \
    "chance/choice/option/options/space/route/permission/module/access/file/files/directory/device/" \
    "connection/signal/memory/line/tests/test/sir/madam/ma'am/mate/man/dude/bro/buddy/wait/stop/please/" \
    "bueno/go/contest/thank/thx/probs/prob/prb/worry/sweat/need/use/point/cap/clue/comments/idea/ideas/" \
    "such/fun/surprise/surprises/other/others/events/event/news/symptoms/symptom/fever/pain/allergies/" \
    "allergy/kids/children/pets/siblings/reservations/experience/internet/power/traffic/delay/delays/" \
    "damage/injuries/survivors/winner/winners/losses/loss/fee/left/" \
    "regrets/shame/contact/opinion/preference/preferences/plan/plans/vacancies/vacancy/" \
    "stock/feedback/reaction/crash/incident/incidents/alert/alerts/outage/" \
    "outages/growth/increase/decrease/limit/limits/budget/deadline/rule/rules/wonder/harm/foul/dramas"
#define CTXMEM_EVENTS_EN \
    "deploy/deployment/deployments/deploys/users/tickets/orders/bookings/appointments/meetings/meeting/" \
    "emails/email/mail/calls/call/visitors/guests/seats/rooms/items/item/release/releases"
#define CTXMEM_PLACES_EN \
    "reply/replies/answer/answers/response/responses/message/messages/code/codebase/commit/commits/" \
    "summary/summaries/email/emails/report/reports/docs/documentation/docstrings/headings/headlines/" \
    "titles/title/subject/text/texts/production/prod/main/public/tests/names/slides/titles/ui/logs/" \
    "posts/output/tables/prose/functions/queries/templates/copy/newsletter/chat"
#define CTXMEM_UNITS_EN \
    "usd/eur/gbp/chf/jpy/cny/inr/sek/nok/dkk/cad/aud/dollars/euros/pounds/francs/yen/cents/swiss/" \
    "canadian/australian/thousands/millions/meters/metres/km/kilometers/kilometres/miles/feet/inches/" \
    "celsius/fahrenheit/kelvin/kg/kilograms/grams/liters/litres/seconds/milliseconds/minutes/hours/" \
    "bytes/mb/gb/utc/gmt/cet/est/pst/iso/metric/imperial/percent/english/german/french/spanish/" \
    "italian/portuguese/dutch/japanese/chinese/korean/polish/russian/british/american/lowercase/" \
    "uppercase/snake_case/camelcase/snake/camel/kebab-case/markdown/latex/json/yaml/plain"
#define CTXMEM_THINGS_EN \
    "amounts/prices/sums/figures/totals/costs/fees/salaries/times/timestamps/dates/distances/" \
    "temperatures/weights/lengths/measurements/units/coordinates/invoices/quotes/comments/messages/" \
    "names/replies/answers/responses/headings/titles/docs/documentation/summaries/emails/docstrings/" \
    "identifiers/labels/captions/examples/numbers/tables/reports"

constexpr const char* kEnglish[] = {
    "rule 6 n | ^ no !" CTXMEM_NEWS_EN "/" CTXMEM_EVENTS_EN " %noun $",
    "rule 6 n | ^ no !" CTXMEM_NEWS_EN " %noun !" CTXMEM_NEWS_EN " %noun $",
    "rule 6 n | ^ no !" CTXMEM_NEWS_EN " %noun (%noun) or/and (no) %noun (%noun) $",
    "rule 6 n | ^ no !" CTXMEM_NEWS_EN " %noun (%noun) in/on/for/inside/within (the/your/my/our/any/all/every) (%noun) " CTXMEM_PLACES_EN,
    "rule 6 n | ^ no !" CTXMEM_NEWS_EN " %verb ~2 in/on/for/after/before/without/ever/anywhere/at/during/unless/until",
    "rule 6 n | ^ no !" CTXMEM_NEWS_EN " %noun (%noun) on (the) mondays/tuesdays/wednesdays/thursdays/fridays/saturdays/sundays/weekends/holidays",
    "rule 6 n | ^ no !" CTXMEM_NEWS_EN " %noun (%noun) before/after/between ~2 %num",
    "rule 6 n | ^ no !" CTXMEM_NEWS_EN " %noun (%noun) without/unless/until",
    "rule 6 n | ^ no more !" CTXMEM_NEWS_EN " %verb",
    "rule 6 n | ^ no more !" CTXMEM_NEWS_EN "/" CTXMEM_EVENTS_EN " %noun $",
    "rule 6 n | ^ no !" CTXMEM_NEWS_EN " %word (~1) please $",
    "rule 6 n | ^ please no !" CTXMEM_NEWS_EN " %word",
    "rule 6 n | ^ zero !" CTXMEM_NEWS_EN " %noun please $",
    "rule 6 n | ^ without !" CTXMEM_NEWS_EN "/further/delay/fail/exception %noun please $",
    "rule 7 rn | can/could/would/will you please not/avoid/stop %word",
    "rule 6 b | ^ %verb (~1) only $",
    "rule 6 b | ^ %verb to/on/in/with/from/via/at/for/through/by ~4 only $",
    "rule 6 - | we/you %verb to/on/in/with/from/via/at/for/through/by ~3 only $",
    "rule 6 - | we %verb %noun only $",
    "rule 6 - | is/are the lowest/oldest/minimum/highest/newest/only ~2 (that/which) we/i support/use/allow/accept",
    "rule 6 n | our/my ~3 forbids/forbid/prohibits/prohibit/bans/disallows",
    "rule 6 - | our/my ~2 guide/policy/guidelines/contract/rules/standard requires/require/mandates/demands",
    "rule 6 - | ^ everything/anything/whatever you write/produce/send/create/generate/build/deliver/ship must/should %verb",
    "instruction 6 - | ^ metric/imperial/si units (please/only) $",
    "instruction 6 - | ^ metric/imperial/celsius/fahrenheit/kilometers/kilometres/miles please/only $",
    "instruction 6 - | ^ british/american/oxford/plain/simple/short/brief/concise/formal/informal/active/passive/present/past/snake/camel/polite/technical (~1) "
    "spelling/english/language/tone/voice/tense/case/notation/formatting/answers/replies/responses/sentences/paragraphs/summaries (please/only/throughout/everywhere) $",
    "instruction 6 - | ^ all/every (~2) " CTXMEM_THINGS_EN " (is/are) (always/shown/given/quoted/written/all) in " CTXMEM_UNITS_EN,
    "instruction 6 - | ^ " CTXMEM_THINGS_EN " (is/are) (always/all/only) in " CTXMEM_UNITS_EN " (~1) $",
    "instruction 6 - | ^ code/commit/variable/function/file/class/test/error/log/table/column/chart/section/unit/product " CTXMEM_THINGS_EN
    " (is/are) (always/all/only) in " CTXMEM_UNITS_EN " (~1) $",
};

#define CTXMEM_NEWS_DE \
    "ahnung/problem/probleme/sorge/sorgen/angst/lust/zeit/idee/ideen/frage/fragen/fehler/fehlern/warnung/" \
    "warnungen/änderung/änderungen/antwort/antworten/ursache/thema/zweifel/wunder/chance/eile/stress/" \
    "panik/bock/plan/geld/einwand/einwände/ergebnis/ergebnisse/treffer/dank/spur/not/unterschied/" \
    "unterschiede/mehr/ding/akt/kommentar/grund/erfolg/worte/wort/witz/mich/dich/uns/weiteres/unfug/" \
    "scherz/quatsch/bedenken/rückmeldung/reaktion/neuigkeiten/daten/einträge/eintrag/verbindung/zugriff/" \
    "platz/internet/strom/einziger/einzige/einziges/gute/guter/schlechte/schlechter/bange/termine/termin/" \
    "meldung/meldungen/störung/störungen/kinder/haustiere/allergien/schmerzen/fieber/deployment/deploys/" \
    "auswirkung/auswirkungen/verbesserung/hinweise/hinweis/ende/sinn/interesse/bedarf/vergleich/hektik"
constexpr const char* kGerman[] = {
    "rule 7 n | ^ keine/keinen/kein !" CTXMEM_NEWS_DE " %noun $",
    "rule 7 n | ^ keine/keinen/kein !" CTXMEM_NEWS_DE " %noun !" CTXMEM_NEWS_DE " %val $",
    "rule 7 n | ^ keine/keinen/kein !" CTXMEM_NEWS_DE " %noun (%noun) in/im/bei ~2 antworten/antwort/code/kommentaren/texten/text/mails/e-mails/nachrichten/überschriften/berichten/tests/produktion",
    "rule 7 n | ^ keine/keinen/kein !" CTXMEM_NEWS_DE " %noun ^ (und) keine/keinen/kein %noun",
    "rule 6 n | ^ ohne !" CTXMEM_NEWS_DE " %noun $",
    "rule 6 n | ^ ohne !" CTXMEM_NEWS_DE " %noun bitte $",
    "instruction 6 - | ^ metrische/imperiale/britische/amerikanische einheiten/schreibweise (bitte) $",
    "instruction 6 - | ^ alle (~1) beträge/preise/kosten/zeiten/datumsangaben/angaben/antworten/kommentare (sind) (immer) in/auf %val",
    "instruction 6 - | ^ code-kommentare/kommentare/antworten/commit-nachrichten/variablennamen/überschriften/beträge/preise (bitte/immer) auf/in %val",
};

#define CTXMEM_NEWS_FR \
    "problème/problèmes/souci/soucis/accord/idée/idées/erreur/erreurs/doute/doutes/question/questions/" \
    "réponse/réponses/changement/changements/chance/quoi/panique/temps/mal/importance/raison/nouvelle/" \
    "nouvelles/résultat/résultats/différence/effet/succès/blague/faute/intérêt/chichi/bol/pot/autre/" \
    "autres/d'accord/d'idée/d'idées/d'erreur/d'erreurs/d'inquiétude/d'objection/d'avis/d'argent/d'autre/" \
    "d'autres/d'urgence/d'alerte/d'effet/d'importance/d'internet/d'enfants/d'allergies/d'accès/cesse/" \
    "arrêt/plus/rien/toi/moi/lui/elle/vous/nous/modification/modifications/conflit/conflits/avis/trace/" \
    "commentaire/remarque/remarques/bug/bugs/précédent/retour/enfants/allergie/allergies/douleur/fièvre"
constexpr const char* kFrench[] = {
    "rule 7 n | ^ pas !" CTXMEM_NEWS_FR " d'* $",
    "rule 7 n | ^ pas !" CTXMEM_NEWS_FR " d'* (%noun) dans/en",
    "rule 7 n | ^ pas de !" CTXMEM_NEWS_FR " %noun $",
    "rule 7 n | ^ pas de !" CTXMEM_NEWS_FR " %noun dans/en",
    "rule 7 n | ^ aucun/aucune !" CTXMEM_NEWS_FR " %noun $",
    "rule 6 n | ^ sans !" CTXMEM_NEWS_FR " %noun $",
    "instruction 6 - | ^ commentaires/réponses/messages/prix/montants/dates/titres (du/de) (code/commit) (toujours) en français/anglais/allemand/espagnol/euros/dollars/francs",
    "instruction 6 - | ^ tous/toutes les prix/montants/réponses/commentaires/dates (sont) (toujours) en %noun $",
    "instruction 6 - | ^ unités métriques/impériales $",
};

#define CTXMEM_NEWS_ES \
    "problema/problemas/duda/dudas/embargo/éxito/cambios/cambio/errores/error/novedad/novedades/" \
    "respuesta/respuestas/idea/ideas/prisa/prisas/miedo/pena/más/nada/eso/esto/particular/nuevo/falta/" \
    "comentarios/comentario/pregunta/preguntas/importancia/resultados/resultado/querer/ti/mí/él/ella/" \
    "parar/fin/otro/otra/uno/una/razón/efecto/luz/internet/tiempo/dinero/conexión/acceso/avisos/" \
    "incidencias/hijos/alergias/dolor/fiebre/diferencia/diferencias/permiso/señal"
constexpr const char* kSpanish[] = {
    "rule 6 n | ^ sin !" CTXMEM_NEWS_ES " %noun $",
    "rule 7 n | ^ nada de !" CTXMEM_NEWS_ES " %noun $",
    "rule 7 n | ^ ningún/ninguna !" CTXMEM_NEWS_ES " %noun $",
    "rule 7 n | ^ ningún/ninguna !" CTXMEM_NEWS_ES " %noun en las/los/tus/el/la respuestas/código/mensajes/textos/comentarios",
    "rule 6 n | ^ sin !" CTXMEM_NEWS_ES " %noun en las/los/tus/el/la respuestas/código/mensajes/textos/comentarios",
    "instruction 6 - | ^ comentarios/respuestas/mensajes/precios/importes/fechas (del/de) (código/commit) (siempre) en inglés/español/alemán/francés/euros/dólares/francos",
    "instruction 6 - | ^ todos/todas los/las precios/importes/respuestas/comentarios/fechas (están/van) (siempre) en %noun $",
    "instruction 6 - | ^ unidades métricas/imperiales $",
};

#define CTXMEM_NEWS_IT \
    "problema/problemi/dubbio/dubbi/paura/male/affatto/panico/errore/errori/risposta/risposte/idea/idee/" \
    "fretta/cambiamento/cambiamenti/modifica/modifiche/novità/risultato/risultati/altro/altri/scuse/" \
    "speciale/grave/tempo/soldi/domanda/domande/commento/senso/motivo/effetto/differenza/successo/" \
    "di/da/più/meno/nuovo/accesso/connessione/segnale/figli/allergie/dolore/febbre/te/me/lui/lei/voi/noi"
constexpr const char* kItalian[] = {
    "rule 7 n | ^ niente !" CTXMEM_NEWS_IT " %noun $",
    "rule 7 n | ^ nessun/nessuna/nessun'* !" CTXMEM_NEWS_IT " %noun $",
    "rule 6 n | ^ senza !" CTXMEM_NEWS_IT " %noun $",
    "rule 7 n | ^ niente/nessun/nessuna !" CTXMEM_NEWS_IT " %noun nelle/nei/nel/nella/in risposte/codice/messaggi/testi/commenti/produzione",
    "instruction 6 - | ^ commenti/risposte/messaggi/prezzi/importi/date (del/di) (codice/commit) (sempre) in inglese/italiano/tedesco/francese/euro/dollari/franchi",
    "instruction 6 - | ^ tutti/tutte i/gli/le prezzi/importi/risposte/commenti/date (sono) (sempre) in %noun $",
    "instruction 6 - | ^ unità metriche/imperiali $",
};

#define CTXMEM_NEWS_PT \
    "problema/problemas/dúvida/dúvidas/erro/erros/resposta/respostas/ideia/ideias/pressa/medo/mudança/" \
    "mudanças/alteração/alterações/novidade/novidades/resultado/resultados/mais/outro/outra/nada/disso/" \
    "isso/isto/novo/comentário/pergunta/perguntas/motivo/efeito/diferença/sucesso/chance/tempo/dinheiro/" \
    "querer/ti/mim/ele/ela/você/parar/fim/graça/jeito/acesso/conexão/sinal/filhos/alergias/dor/febre/falta"
constexpr const char* kPortuguese[] = {
    "rule 6 n | ^ sem !" CTXMEM_NEWS_PT " %noun $",
    "rule 7 n | ^ nada de !" CTXMEM_NEWS_PT " %noun $",
    "rule 7 n | ^ nenhum/nenhuma !" CTXMEM_NEWS_PT " %noun $",
    "rule 6 n | ^ sem !" CTXMEM_NEWS_PT " %noun nas/nos/no/na respostas/código/mensagens/textos/comentários/produção",
    "instruction 6 - | ^ comentários/respostas/mensagens/preços/valores/datas (do/de) (código/commit) (sempre) em inglês/português/alemão/francês/euros/dólares/reais",
    "instruction 6 - | ^ todos/todas os/as preços/valores/respostas/comentários/datas (são/estão) (sempre) em %noun $",
    "instruction 6 - | ^ unidades métricas/imperiais $",
};

#define CTXMEM_NEWS_NL \
    "probleem/problemen/idee/ideeën/dank/zorgen/paniek/zin/tijd/twijfel/fout/fouten/antwoord/antwoorden/" \
    "vraag/vragen/wijziging/wijzigingen/verandering/veranderingen/haast/geld/kans/reden/resultaat/" \
    "resultaten/verschil/verschillen/effect/succes/nieuws/commentaar/punt/bezwaar/bezwaren/meer/één/een/" \
    "stress/moeite/grap/grapje/enkel/enkele/meldingen/melding/verbinding/toegang/kinderen/allergieën/pijn/" \
    "koorts/jou/mij/hem/haar/ons/gezeur/flauw/sprake/woord/woorden/fijn/goed/bugs/bug/deploy/deploys"
constexpr const char* kDutch[] = {
    "rule 7 n | ^ geen !" CTXMEM_NEWS_NL " %noun $",
    "rule 7 n | ^ geen !" CTXMEM_NEWS_NL " %noun in de/je/het/mijn/onze antwoorden/code/berichten/teksten/commentaar/productie",
    "rule 6 n | ^ zonder !" CTXMEM_NEWS_NL " %noun $",
    "rule 7 n | ^ geen !" CTXMEM_NEWS_NL " %noun alsjeblieft/graag $",
    "instruction 6 - | ^ alle (~1) bedragen/prijzen/antwoorden/commentaren/datums (zijn/staan) (altijd) in %noun",
    "instruction 6 - | ^ commentaar/commentaren/antwoorden/commits/bedragen/prijzen (altijd) in (het) engels/nederlands/duits/frans/euro/euro's",
    "instruction 6 - | ^ metrische eenheden $",
};

constexpr const char* kJapanese[] = {
    "rule 7 n | なしで $", "rule 7 n | なしでお願い", "rule 7 n | は禁止", "rule 7 n | 使わないで",
    "rule 7 n | は使用しないで", "rule 7 n | は避けて",
};
constexpr const char* kChinese[] = {
    "rule 8 n | ^ 不要使用", "rule 8 n | ^ 不要用", "rule 8 n | ^ 不要写", "rule 8 n | ^ 不要包含", "rule 8 n | ^ 不要添加",
    "rule 8 n | ^ 不要加", "rule 8 n | ^ 不要提", "rule 8 n | ^ 不要修改", "rule 8 n | ^ 不要删除", "rule 8 n | ^ 不要部署",
    "rule 8 n | ^ 不要发", "rule 8 n | ^ 别用", "rule 8 n | ^ 别写", "rule 8 n | ^ 别加", "rule 8 n | ^ 别提",
    "rule 8 n | ^ 别使用", "rule 8 n | 请勿", "rule 8 n | 切勿", "rule 8 n | 严禁", "rule 8 n | ^ 不准", "rule 8 n | ^ 不许",
    "rule 7 - | ^ 只用", "rule 7 - | ^ 只能用", "rule 7 - | ^ 只使用", "rule 7 - | ^ 仅使用",
};
// clang-format on

std::span<const PhraseRows> short_rules() {
    static const std::array<PhraseRows, 9> rows = {{{0, kEnglish},
                                                    {1, kGerman},
                                                    {2, kFrench},
                                                    {3, kSpanish},
                                                    {4, kItalian},
                                                    {5, kPortuguese},
                                                    {6, kDutch},
                                                    {7, kJapanese},
                                                    {8, kChinese}}};
    return rows;
}

}  // namespace ctxmem::tables

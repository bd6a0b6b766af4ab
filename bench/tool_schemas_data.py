"""Tools of servers for data, money and customers: the notation is in `tool_schemas`."""

TEXT = """
= postgres_
+ Connects with the role in DATABASE_URL, so that its grants hold. Names are folded to small letters
+ unless they are quoted. Errors contain SQLSTATE, message and position. Values of type numeric,
+ timestamp and json are returned as strings, bytea in hexadecimal. Results above 1 MB are cut off.
@sql str One SQL statement in PostgreSQL's dialect. Use $1, $2, ... for values rather than pasting
. them in.
@params [str] Values of the placeholders, in order.
@row_limit int=200 Most rows to return; more are cut off and the result says so.
@timeout_ms int=15000 Milliseconds after which the statement is cancelled.
@schema str=public Name of the schema.
@table str Name of the table, without its schema.
@analyze bool=false Whether to run the statement and report real times. Never set it for statements
. that write.
@columns [str] Names of the columns, in order.
@unique bool=false Whether two rows may not have the same values.
@name str Name of the object; generated from table and columns if omitted.
@concurrently bool=true Whether to build it without blocking writers.
@definition str Definition after the name, as in CREATE TABLE: column names, types and constraints.
@min_duration_ms int=500 Only statements whose mean time is at least this long.
@pid int Process id of the backend, from postgres_list_active_queries.
@rows [obj] Rows as objects from column to value.
@on_conflict error|ignore|update=error What to do when a key exists already.
@format csv|json=csv Format of the file.
@path str Path of the file on the machine of the server.
@header bool=true Whether the first line has the column names.
query: Run a read-only SQL statement and return the rows as JSON. The transaction is rolled back,
. so statements
. that write have no effect.
  sql! params row_limit timeout_ms
execute: Run a statement that changes data or structure: INSERT, UPDATE, DELETE, ALTER and so on.
. Committed at once;
. an UPDATE or DELETE without a WHERE clause is refused.
  sql! params timeout_ms
list_schemas: List the schemas of the database with owner and number of tables.
list_tables: List the tables and views of a schema with estimated number of rows and size on disk.
  schema
describe_table: Return columns, types, defaults, primary and foreign keys and indexes of a table.
  table! schema
explain_query: Return the execution plan of a statement, to find out why it is slow or whether an
. index is used.
  sql! params analyze
create_index: Create an index on columns of a table to speed up look-ups. Takes long on big tables.
  table! columns! schema unique name concurrently
create_table: Create a table from a definition.
  name! definition! schema
list_slow_queries: List the statements that took the most time, from pg_stat_statements.
  min_duration_ms row_limit
list_active_queries: List what is running now: process id, user, state, wait event and statement.
. Shows locks that
. block others.
kill_query: Cancel the statement that a backend is running. The client gets an error.
  pid!
import_rows: Insert many rows into a table in one transaction.
  table! rows! schema on_conflict
export_table: Write a table to a CSV or JSON file.
  table! path! schema format header
= stripe_
+ Uses the secret key in STRIPE_API_KEY; keys that begin with sk_test act on test data only.
+ Requests carry an idempotency key, so repeating one after a network error is safe. Errors have
+ type, code and, for cards, decline_code. Objects are returned as in API version 2024-06-20.
@customer str Id of the customer, starting with cus_.
@email str E-mail address; receipts are sent to it.
@name str Full name or name of the business.
@phone str Telephone number with country code.
@metadata obj Up to 50 keys with your own values, each at most 500 characters.
@amount int Amount in the smallest unit of the currency: 1099 is 10.99 USD. Zero-decimal currencies
. such as JPY take whole units.
@currency str Three-letter ISO code in small letters, such as usd or eur.
@payment_intent str Id of the payment, starting with pi_.
@charge str Id of the charge, starting with ch_.
@reason duplicate|fraudulent|requested_by_customer Why; fraudulent adds card and address to the
. block list.
@product str Id of the product, starting with prod_.
@price str Id of the price, starting with price_.
@quantity int=1 Number of units.
@items [{price:str,quantity:int}] What is sold, each with price and quantity.
@interval day|week|month|year How often it recurs; one-off if omitted.
@trial_days int Days before the first charge.
@subscription str Id of the subscription, starting with sub_.
@invoice str Id of the invoice, starting with in_.
@at_period_end bool=true Whether access lasts until the end of what was paid for.
@proration create_prorations|none|always_invoice=create_prorations How a change within a period is
. charged.
@percent_off num Percentage between 0 and 100.
@amount_off int Fixed amount in the smallest unit of the currency.
@duration once|repeating|forever For which invoices it holds.
@code str What the customer types, such as SPRING25. Not case sensitive.
@coupon str Id of the coupon.
@limit int=10 Number of objects to return, between 1 and 100.
@starting_after str Id of the last object of the previous page.
@status str Only objects in this status, such as open, paid, active, past_due or canceled.
@days_until_due int=30 Days in which it has to be paid.
@description str Text shown to the customer on receipts.
@query str Query in Stripe's search language, such as email:'ann@example.com' or
. metadata['order']:'6735'.
@dispute str Id of the dispute, starting with dp_.
@evidence {customer_communication:str,shipping_tracking_number:str,uncategorized_text:str} What
. speaks against the claim.
@submit bool=false Whether to send the evidence to the bank; it cannot be changed afterwards.
@success_url str Address that the customer is sent to after paying.
@created_after int Only objects created after this Unix time.
create_customer: Create a customer, to whom payments, invoices and subscriptions belong.
  email name phone description metadata
search_customers: Find customers by e-mail, name, phone or metadata.
  query! limit
update_customer: Change e-mail, name, phone or metadata of a customer.
  customer! email name phone description metadata
create_product: Add something to sell to the catalogue. It needs a price before it can be sold.
  name! description metadata
create_price: Set what a product costs, once or per period. Amounts of a price cannot be changed
. later.
  product! amount! currency! interval
list_products: List what is sold, newest first.
  limit starting_after
create_payment_link: Create a page on which anybody with its address can pay, to be shared by mail
. or chat.
  items! success_url
create_payment_intent: Begin collecting a payment from a customer. The customer's bank may ask for
. confirmation.
  amount! currency! customer description metadata
list_payment_intents: List payments with amount, status and customer, newest first.
  customer created_after limit starting_after
create_refund: Give money back for a payment, all of it or a part. Takes 5 to 10 days to arrive.
. Confirm the amount
. with the user first.
  payment_intent! amount reason metadata
create_subscription: Charge a customer regularly for one or more prices.
  customer! items! trial_days coupon metadata
update_subscription: Change plan, quantity or discount of a subscription, for instance to upgrade a
. customer.
  subscription! items proration coupon metadata
cancel_subscription: End a subscription now or at the end of the period.
  subscription! at_period_end
list_subscriptions: List subscriptions by customer, price or status.
  customer price status limit starting_after
create_invoice: Write an invoice for a customer with the given items. It is a draft until it is
. finalised.
  customer! items days_until_due description
finalize_invoice: Finalise a draft invoice and send it to the customer by mail.
  invoice!
list_invoices: List invoices by customer and status, for example those that are open and overdue.
  customer status limit starting_after
create_coupon: Create a discount by percentage or amount and a code that customers can enter.
  code! percent_off amount_off currency duration!
list_disputes: List chargebacks, in which customers question a charge at their bank, with reason
. and deadline.
  charge status limit starting_after
update_dispute: Add evidence to a chargeback and submit it.
  dispute! evidence! submit
retrieve_balance: Return the money that is available for payout and what is still pending, per
. currency.
= hubspot-
+ Requires a private app token with the matching crm scopes. Limits are 100 requests per 10 seconds
+ and 250,000 a day. Times are in UTC. Unknown properties are rejected with VALIDATION_ERROR; names
+ of properties are internal names and not the labels that users see in the interface.
@contact_id str Id of the contact record.
@company_id str Id of the company record.
@deal_id str Id of the deal record.
@email str E-mail address; unique among contacts.
@first_name str Given name.
@last_name str Family name.
@phone str Telephone number.
@job_title str Position within the company.
@lifecycle_stage subscriber|lead|marketingqualifiedlead|salesqualifiedlead|opportunity|customer How
. far the relationship has come.
@domain str Web domain of the company, used to find duplicates.
@name str Name of the record.
@industry str Branch, as one of HubSpot's constants.
@amount num Value in the currency of the account.
@pipeline str=default Id of the pipeline.
@stage str Id of the stage in the pipeline, such as qualifiedtobuy or closedwon.
@close_date str Expected date of signing, YYYY-MM-DD.
@owner_id str Id of the user responsible.
@query str Words to search for in the main properties.
@filters [{property:str,operator:str,value:str}] Conditions that all have to hold. Operators are
. EQ, NEQ, GT, LT, CONTAINS_TOKEN, HAS_PROPERTY.
@properties [str] Names of the properties to return.
@limit int=20 Number of records, at most 100.
@after str Cursor of the next page.
@body str Text, may contain simple HTML.
@timestamp str When it happened, ISO 8601.
@outcome CONNECTED|NO_ANSWER|LEFT_VOICEMAIL|BUSY|WRONG_NUMBER How the call ended.
@due_date str When it is due, ISO 8601.
@subject str Title.
@priority LOW|MEDIUM|HIGH How important it is.
@from_type contacts|companies|deals|tickets Kind of the first record.
@from_id str Id of the first record.
@to_type contacts|companies|deals|tickets Kind of the second record.
@to_id str Id of the second record.
@primary_id str Record that remains.
@merged_id str Record that is merged into it and disappears.
@list_id str Id of the list or segment.
@contact_ids [str] Ids of contacts.
create-contact: Create a person in the CRM. Fails if a contact with the same e-mail address exists.
  email! first_name last_name phone job_title lifecycle_stage owner_id
update-contact: Change properties of a contact, such as stage, owner or job title.
  contact_id! email first_name last_name phone job_title lifecycle_stage owner_id
search-contacts: Find contacts by words or by conditions on their properties.
  query filters properties limit after
merge-contacts: Merge two records of the same person. This cannot be undone.
  primary_id! merged_id!
create-company: Create an organisation in the CRM.
  name! domain industry phone owner_id
search-companies: Find organisations by name, domain or conditions on their properties.
  query filters properties limit after
create-deal: Create a sales opportunity in a pipeline.
  name! stage! amount pipeline close_date owner_id
update-deal: Change amount, stage, owner or expected date of a sales opportunity, for example mark
. it as won.
  deal_id! name stage amount close_date owner_id
search-deals: Find sales opportunities, for example those of one owner that close this quarter.
  query filters properties limit after
list-pipelines: List the pipelines with the ids, order and probabilities of their stages.
log-call: Record a telephone call on the time line of a contact.
  contact_id! body! outcome timestamp
log-note: Write a note on the time line of a contact, company or deal.
  from_type! from_id! body! timestamp
create-task: Create a to-do for yourself or a colleague, linked to a record, with a due date and a
. reminder.
  subject! due_date! body priority owner_id from_type from_id
associate-records: Link two records, such as a contact with the company it works for.
  from_type! from_id! to_type! to_id!
add-to-list: Add contacts to a static list, for example to the audience of a campaign.
  list_id! contact_ids!
list-owners: List the users who can own records with ids and e-mail addresses.
  limit after
= notion_
+ Only sees what was shared with the integration: an object_not_found error usually means that
+ somebody has to add the connection to it. At most 3 requests a second on average, and 100 blocks
+ in one request. Rich text is limited to 2,000 characters for each block. Ids work with and without
+ dashes.
@page_id str Id of the page: the 32 characters at the end of its address.
@parent_id str Id of the page or database under which it is created.
@database_id str Id of the database.
@block_id str Id of the block.
@title str Title of the page.
@markdown str Content in Markdown. Headings, lists, tables, code, quotes and to-dos become blocks.
@properties obj Values of the database's properties by name. The kinds must match the schema.
@icon str Emoji that is shown as icon.
@query str Words of the title or content.
@filter_type page|database Restrict results to pages or databases.
@sort_direction ascending|descending=descending By time of the last edit.
@page_size int=25 Number of results, at most 100.
@start_cursor str Cursor of the next page.
@filter obj Filter in Notion's syntax: {"property": "Status", "select": {"equals": "Done"}}, or
. compounds with and/or.
@sorts [{property:str,direction:str}] Properties to sort by.
@schema obj Properties of the database by name, each with its type.
@after str Id of the block behind which the new ones are inserted; at the end if omitted.
@discussion_id str Id of the discussion; a new one if omitted.
@text str Text of the comment.
@archived bool=true Whether it is in the trash.
@depth int=2 How many levels of nested blocks to return.
@user_id str Id of the user.
search: Search all pages and databases shared with the integration. Use the words of the title,
. since the content is
. only matched in part.
  query! filter_type sort_direction page_size start_cursor
get_page: Get the properties and the content of a page as Markdown.
  page_id! depth
create_page: Create a page under another one or as an entry of a database.
  parent_id! title! markdown properties icon
update_page_properties: Change title, icon or properties of a page, such as the status or owner of
. a database entry.
  page_id! title properties icon
append_content: Add blocks at the end of a page or behind a given block.
  page_id! markdown! after
update_block: Replace the text of one block.
  block_id! markdown!
delete_block: Delete one block with everything nested in it.
  block_id!
archive_page: Move a page to the trash or restore it from there.
  page_id! archived
move_page: Move a page under another parent.
  page_id! parent_id!
duplicate_page: Copy a page with its content, for instance to use it as a template.
  page_id! title parent_id
query_database: Return the entries of a database that match a filter, sorted.
  database_id! filter sorts page_size start_cursor
get_database: Get title and properties of a database, with the options of its selects.
  database_id!
create_database: Create a database under a page from a schema.
  parent_id! title! schema!
list_comments: List the open discussions of a page or block.
  block_id! page_size start_cursor
create_comment: Comment on a page or answer in a discussion.
  page_id! text! discussion_id
list_users: List the members and guests of the workspace.
  page_size start_cursor
= sheets_
+ Uses the signed-in Google account and needs the OAuth scope spreadsheets. At most 60 requests a
+ minute for each user. Names of sheets with spaces have to be quoted with apostrophes, such as 'My
+ tab'!A1. Rows and columns are counted from 0 in numbers and from 1 in A1 notation.
@spreadsheet_id str Identifier of the spreadsheet, the long part of its address between /d/ and
. /edit.
@range str Range in A1 notation with the name of the sheet, such as Budget!A1:F20.
@ranges [str] Ranges in A1 notation.
@values [[str]] Rows of cells. A string that begins with = is a formula.
@value_input RAW|USER_ENTERED=USER_ENTERED Whether strings are parsed as if typed by a person.
@render FORMATTED_VALUE|UNFORMATTED_VALUE|FORMULA=FORMATTED_VALUE How cells are returned.
@title str Title of the spreadsheet or sheet.
@sheet_id int Number of the sheet, from the gid part of its address.
@sheet str Name of the sheet.
@chart_type BAR|COLUMN|LINE|PIE|SCATTER|AREA Kind of the chart.
@source_range str Range with the data and, in its first row, the names of the series.
@anchor str Cell of the upper left corner.
@sort_by [{column:str,order:str}] Columns to sort by, ASCENDING or DESCENDING.
@find str Text to look for.
@replacement str Text to put in its place.
@match_case bool=false Whether case matters.
@start_index int First row or column, from 0.
@count int=1 Number of rows or columns.
@dimension ROWS|COLUMNS Whether rows or columns are meant.
@email str Address of the person.
@role reader|commenter|writer Kind of access.
@bold bool Whether text is bold.
@background str Colour of the cells, such as #FFEE99.
@number_format str Pattern, such as #,##0.00 or yyyy-mm-dd.
@rows str Range whose values become the rows.
@columns str Range whose values become the columns.
@aggregate SUM|COUNTA|AVERAGE|MAX|MIN=SUM How values of one cell are combined.
@rule {type:str,values:[str]} Condition, such as ONE_OF_LIST with the options.
create_spreadsheet: Create an empty workbook with one sheet and return its id and address.
  title!
read_range: Read the cells of a range.
  spreadsheet_id! range! render
read_ranges: Read several ranges in one request.
  spreadsheet_id! ranges! render
write_range: Overwrite the cells of a range. What was there is lost.
  spreadsheet_id! range! values! value_input
append_rows: Add rows below the last row of a table, without overwriting anything.
  spreadsheet_id! range! values! value_input
clear_range: Empty the cells of a range but keep their format.
  spreadsheet_id! range!
add_sheet: Add a tab to a workbook.
  spreadsheet_id! title!
delete_sheet: Delete a tab with its data.
  spreadsheet_id! sheet_id!
insert_dimension: Insert empty rows or columns.
  spreadsheet_id! sheet_id! dimension! start_index! count
sort_range: Sort the rows of a range by columns.
  spreadsheet_id! range! sort_by!
find_replace: Replace text in all cells of a sheet or the whole workbook.
  spreadsheet_id! find! replacement! sheet match_case
format_range: Set font, colours and number format of cells.
  spreadsheet_id! range! bold background number_format
create_chart: Draw a chart of the data of a range.
  spreadsheet_id! chart_type! source_range! title anchor
create_pivot_table: Summarise a range by rows and columns.
  spreadsheet_id! source_range! rows! columns aggregate anchor
set_validation: Restrict what can be typed into cells, for example to a list of options.
  spreadsheet_id! range! rule!
share_spreadsheet: Give a person access to a workbook and send them the link.
  spreadsheet_id! email! role!
= zendesk_
+ Acts as the agent whose API token is configured, with that agent's permissions. The account allows
+ 400 requests a minute. Business rules run after each change and may alter it again, so read the
+ record afterwards where it matters. Times are ISO 8601 in UTC, and text is plain or Markdown.
@ticket_id int Number of the ticket.
@subject str Subject line.
@body str Text in Markdown.
@public bool=true Whether the requester sees it; false for an internal note.
@requester_email str Address of the customer who asks.
@priority low|normal|high|urgent How urgent it is; sets the target times.
@status new|open|pending|hold|solved|closed Status. Closed tickets cannot be changed any more.
@assignee_id int Id of the agent.
@group_id int Id of the group of agents.
@tags [str] Tags; they drive triggers and views.
@query str Query such as type:ticket status<solved priority:urgent "refund".
@sort_by created_at|updated_at|priority|status=created_at Property to sort by.
@page int=1 Number of the page, from 1.
@macro_id int Id of the macro.
@target_id int Number of the ticket that remains.
@source_ids [int] Numbers of the tickets that are closed as merged.
@user_id int Id of the customer.
@locale str=en-us Language of the help centre.
@article_id int Id of the article.
@section_id int Id of the section.
@title str Title of the article.
@from_date str First day, YYYY-MM-DD.
@to_date str Last day, YYYY-MM-DD.
create_ticket: Open a support request on behalf of a customer.
  subject! body! requester_email! priority assignee_id group_id tags
get_ticket: Get a support request with its fields and the whole conversation.
  ticket_id!
update_ticket: Change status, priority, agent, group or tags of a support request, for example
. solve or escalate it.
  ticket_id! status priority assignee_id group_id tags
reply_to_ticket: Answer the customer in a support request, or leave an internal note for colleagues.
  ticket_id! body! public status
search_tickets: Find support requests by words, status, priority, customer or tag.
  query! sort_by page
merge_tickets: Merge duplicates of one support request into another.
  target_id! source_ids!
apply_macro: Apply a prepared answer with its changes of status and tags.
  ticket_id! macro_id!
list_macros: List the prepared answers that agents can use.
  page
get_user_tickets: List all support requests of one customer, to see what happened before.
  user_id! status page
search_articles: Search the help centre for answers that are published.
  query! locale
create_article: Write an article for the help centre.
  title! body! section_id! locale
get_satisfaction_ratings: List what customers said about the support they got in a period, with
. scores and remarks.
  from_date! to_date!
"""

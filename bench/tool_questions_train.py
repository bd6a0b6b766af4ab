"""Questions with the tools that they need, on which the ranking is fitted: none is in the
. benchmark.

The notation is that of `tool_questions`.
"""

TEXT = """
linear_save_issue | | Please open an ENG ticket: login loops on Safari, urgent
linear_list_issues | | what is on Marta's plate this cycle
linear_list_issues linear_archive_issue | | clean up the stuff in ENG nobody touched and we
. cancelled ages ago
linear_get_issue | | read me ENG-204 with everything people wrote below it
linear_create_comment | | Leave word on ENG-91 that QA found it again on Android
linear_save_project_update | | tell the followers of Atlas we are slipping by two weeks
linear_get_velocity | | how many points does the mobile team usually get through?
linear_save_issue | linear_list_issues linear_get_issue | It is a regression, so bump it to urgent
. and give it to Ravi.
linear_save_issue | linear_get_issue | Too big. Break it into two smaller ones below it.
linear_list_cycles | linear_list_members | when does the current one end for DES?
linear_create_comment | linear_get_issue linear_save_issue | Explain there why I changed the
. estimate.
linear_archive_issue | linear_list_issues | These three are ancient, take them off the board.
linear_list_members | linear_get_issue | who else is on that team, I need somebody to hand it to
discord_send_message | | Say good morning in the lounge and mention tonight's raid
discord_read_messages | | catch me up on what folks said in the support room
discord_ban_member | | user 88120044 keeps posting scam links, throw him out permanently
discord_timeout_member | | give xXdragonXx an hour to cool down
discord_create_poll | | let the server vote on friday's movie: Alien, Heat or Up
discord_create_channel | | we want a place to talk about the beta with voice
discord_pin_message | discord_send_message | That one should remain easy to find at the top.
discord_assign_role | discord_list_members | Make Kaya a moderator.
discord_delete_message | discord_read_messages | The fourth one is spam, take it down.
discord_edit_message | discord_send_message | Oops, the time is wrong. It should read 8 pm.
discord_create_thread | discord_read_messages | Split off the discussion of the crash from there.
discord_move_to_voice | discord_list_members | Drag Leo over to the strategy call.
discord_ban_member discord_delete_message | discord_read_messages | Same spammer as yesterday. Wipe
. his post and kick him for good.
todoist-add-task | | Remind me to water the plants every other day
todoist-find-tasks | | what do I still have to do today
todoist-complete-task | | I've paid the rent, tick it off
todoist-update-task | | push the dentist to next Tuesday
todoist-get-productivity-stats | | did I get more done this week than last?
todoist-add-project | | I want a separate list for the move to Porto
todoist-add-task | todoist-list-projects | "Book movers" goes in there, by the 3rd, top priority
todoist-reopen-task | todoist-complete-task | Wait, that wasn't finished. Bring it back.
todoist-add-comment | todoist-find-tasks | Attach the phone number 555-0137 to the second one as a
. remark.
todoist-delete-task | todoist-find-tasks | I won't do that any more, scrap it.
todoist-find-tasks todoist-update-task | | everything overdue can wait until Monday
outlook.sendMail | | drop Petra a line that the samples arrived
outlook.searchMessages | | find the email where Hans sent the floor plan
outlook.listMessages | | anything new in my inbox?
outlook.createDraft | | Compose something polite to decline the vendor, don't send anything yet
outlook.setAutomaticReplies | | I'm on leave 3-14 August, let anyone who emails me know
outlook.createMeeting | | Get the four of us on a Teams call Thursday at ten
outlook.replyAll | outlook.searchMessages | Let all of them know that the date works.
outlook.moveMessage | outlook.listMessages | put those receipts into the Taxes folder
outlook.flagMessage | outlook.searchMessages | I have to come back to this one later, mark it
outlook.deleteMessage | outlook.listMessages | the first two are junk, away with them
outlook.listAttachments | outlook.searchMessages | which documents came with it?
outlook.cancelMeeting | outlook.findMeetingTimes | Nobody can make it, so call the Friday one off
. and apologise.
outlook.findMeetingTimes outlook.createMeeting | | Look for a slot for Eva, Noor and me and book
. half an hour
zoom_schedule_meeting | | set up a video call with the investors tomorrow 15:00
zoom_list_participants | | who actually turned up to yesterday's webinar?
zoom_list_recordings zoom_get_transcript | | what did Kofi say about pricing in Monday's call? it
. was recorded
zoom_get_transcript | zoom_list_recordings | Summarise the second one.
zoom_update_meeting | zoom_list_meetings | Start it thirty minutes later.
zoom_delete_meeting | zoom_list_meetings | We don't need that any longer.
zoom_add_registrant | | sign otto@example.org up for the product webinar
mailchimp_create_campaign | | let's do a newsletter about the autumn sale
mailchimp_get_campaign_report | | how many people opened the last newsletter and clicked?
mailchimp_add_subscriber | | Put jo@example.com on our newsletter
mailchimp_update_subscriber | | a reader asks to be taken off our mailing: max@example.net
mailchimp_schedule_campaign | mailchimp_create_campaign | It shall leave on Sunday morning at 8.
mailchimp_send_test_email | mailchimp_create_campaign | I want to see how it looks in my own inbox
. before everyone gets it.
mailchimp_create_segment | mailchimp_list_audiences | Only those who bought something since January.
mailchimp_tag_subscriber | mailchimp_add_subscriber | Label her as VIP.
salesforce_search_records | | do we know anybody at Umbrella Ltd?
salesforce_convert_lead | | Ines is qualified, turn her into a real customer with a deal
salesforce_log_activity | | had coffee with the buyer of Hooli, they want a pilot, keep a note of it
salesforce_run_report | | pull the numbers for Q2 bookings by rep, the report is called Bookings
salesforce_update_record | salesforce_search_records | Their new phone is 555-0199, correct it.
salesforce_create_record | salesforce_search_records | They're not in there yet, so enter them as
. an account.
salesforce_submit_for_approval | salesforce_update_record | 30 per cent off needs my boss's okay.
. Ask for it.
salesforce_describe_object | salesforce_run_soql | No such column. Which ones does Opportunity have?
salesforce_run_soql | salesforce_describe_object | Now count the open ones by owner.
salesforce_delete_record | salesforce_search_records | That's a double, bin the older.
git_status | | have I got anything uncommitted here?
git_commit | git_diff_unstaged git_add | Save it with a message about the cache fix.
git_blame | | who wrote line 88 of parser.c and when?
git_log | | what happened in this repo lately
git_diff | | how does release-2 differ from main
git_stash | git_status | I need a clean tree for a moment but don't want to lose this.
git_reset | git_log | Undo the last two, keep my files as they are.
git_checkout | git_stash | Now go over to hotfix.
git_create_branch | git_status | I'll try something out, not here on main.
git_push | git_commit | Get it up to the server.
git_pull | git_status | Bring in what the others did since yesterday.
git_show | git_log | What exactly was in the third one?
git_add git_commit | git_status | Those two files belong together, record them.
git_diff_unstaged | git_status | let me see what I altered before I save it
mcp__docker__list_containers | | what's running on this box right now
mcp__docker__run_container | | spin up a postgres 16 for my tests, port 5433
mcp__docker__container_logs | | the nginx one dies at once, see what it says
mcp__docker__build_image | | bake api:dev out of ./docker/Dockerfile
mcp__docker__container_stats | | which of them hogs the CPU?
mcp__docker__prune | mcp__docker__list_images | My disk is full, throw out whatever nothing needs.
mcp__docker__stop_container | mcp__docker__list_containers | kill the second
mcp__docker__exec | mcp__docker__list_containers | Have a look inside whether /etc/hosts has the
. entry.
mcp__docker__inspect_container | mcp__docker__list_containers | Where is its data folder mounted?
mcp__docker__stop_container mcp__docker__remove_container | mcp__docker__list_containers | Get rid
. of old-redis completely.
mcp__docker__pull_image | mcp__docker__run_container | Not found locally. Fetch it first.
sentry_find_issues | | which errors do our users run into since the release?
sentry_get_issue_details | | where in the code does WEB-3K7 blow up?
sentry_analyze_with_ai | sentry_get_issue_details | I don't understand the cause. What would fix it?
sentry_update_issue | sentry_get_issue_details | Fixed in 4.1, tick it off and give it to nobody.
sentry_find_slow_transactions | | what parts of the shop take ages to load
sentry_find_releases | | is 4.1 crashing less than 4.0?
sentry_list_events | sentry_get_issue_details | How often did it occur since noon, and for whom?
sentry_create_project | sentry_find_projects | There is none for the worker. We need one and its
. key.
sentry_get_trace | sentry_find_slow_transactions | Which call inside the worst one eats the time?
pagerduty.listOncalls | | whose turn is it tonight if payments break
pagerduty.createIncident | | the API is down for everyone, wake somebody!
pagerduty.acknowledgeIncident | pagerduty.listIncidents | I'm looking at it, stop ringing the
. others.
pagerduty.resolveIncident | pagerduty.addNote | All green again, finish it.
pagerduty.reassignIncident | pagerduty.acknowledgeIncident | That is a network matter, hand over to
. Olu.
pagerduty.createOverride | pagerduty.listOncalls | I'm at a wedding on Saturday, Bea takes my shift.
pagerduty.addNote | pagerduty.acknowledgeIncident | Jot down that the disk was full.
pagerduty.createMaintenanceWindow | | we swap the router Sunday 2-4, no alarms please
pagerduty.getPostmortemData | | I have to write up yesterday's outage, how long did it take and who
. was involved?
pagerduty.listIncidents | | is anything burning?
terraform_create_run | | see what would change in prod-network if we rolled this out
terraform_get_plan_output | terraform_create_run | Will it destroy anything?
terraform_apply_run | terraform_get_plan_output | Fine, go ahead.
terraform_discard_run | terraform_get_plan_output | No! That deletes the database. Drop it.
terraform_set_variable | terraform_list_workspaces | The replica number should be 5 in staging.
terraform_get_state_outputs | | which address did the load balancer in prod get?
terraform_get_provider_docs | | how do I write an aws_s3_bucket in HCL, which arguments are there?
terraform_lock_workspace | terraform_list_workspaces | Nobody must touch prod until Monday.
gcp_list_vms | | do we have machines in us-central1?
gcp_bigquery_run | gcp_bigquery_list_tables | How many page views per country last week?
gcp_deploy_cloud_run | | bring version 1.8 of the api container live
gcp_split_traffic | gcp_deploy_cloud_run | Only a tenth of the visitors should get the new one at
. first.
gcp_read_logs | gcp_deploy_cloud_run | It answers with 500. What does it complain about?
gcp_add_iam_binding | | nora@example.com can't read our bucket listing, give her the rights
gcp_create_budget_alert | | mail me as soon as we burn more than 2,000 dollars on google
gcp_stop_vm gcp_resize_vm | gcp_list_vms | batch-1 is too weak: give it more cores, it has to be
. off for that.
gcp_upload_object | | put model.bin into gs://acme-models
gcp_publish_message | gcp_read_logs | Send the lost order event again to the topic orders.
gcp_start_vm | gcp_list_vms | the third is off, turn it back on
gcp_bigquery_list_tables | | what is in the dataset marketing
mongo-find | | show me five users that registered from Canada
mongo-aggregate | mongo-collection-schema | average basket per month, please
mongo-count | | how many sessions are there without an owner?
mongo-update-many | mongo-find | All of these should have active = false.
mongo-delete-many | mongo-count | Throw those out.
mongo-create-index | mongo-explain | It scans everything. Make the look-up by email quick.
mongo-explain | mongo-find | why is that so slow
mongo-collection-schema | mongo-list-collections | What fields do the carts have?
mongo-insert-many | mongo-count | Put these twenty test users in.
mongo-drop-collection | mongo-list-collections | tmp_import can go altogether.
redis_get | | what's stored under session:42
redis_set | | remember "maintenance=on" for ten minutes in the cache
redis_scan_keys | | which entries start with cart:?
redis_info | | is the cache nearly full?
redis_delete | redis_get | stale, get it out
redis_expire | redis_set | it should vanish after an hour
redis_flush_database | redis_scan_keys | Empty the cache entirely.
shopify_list_orders | | what still has to be shipped?
shopify_get_order | | what did the customer buy in #1024
shopify_cancel_order | | they changed their mind about #1088, it hasn't left yet
shopify_fulfill_order | shopify_get_order | Parcel is with DHL, number 00340434.
shopify_refund_order | shopify_get_order | One cup arrived broken, give the money for it back.
shopify_update_price | | the blue mug should be 12.90 from now on
shopify_get_inventory_levels | | how many of the oak tables are left?
shopify_adjust_inventory | shopify_get_inventory_levels | We counted only 7 in Leeds, correct that.
shopify_create_discount_code | | 15 % off for newsletter readers with the word SPRING15
shopify_list_abandoned_checkouts | | who filled the basket and then left without paying?
shopify_get_sales_report | | how was business last week compared to the one before
shopify_create_product | | We have a new scarf to sell, wool, 39 euros
shopify_list_customers | shopify_get_order | Has she bought from us before? helen@example.com
quickbooks_create_invoice | | Bill Northwind for 12 hours of consulting at 90
quickbooks_record_expense | | I bought a monitor for 300 at Best Buy, here's the receipt
quickbooks_aged_receivables | | who owes us money for more than 60 days?
quickbooks_profit_and_loss | | did we earn anything in the first quarter?
quickbooks_send_invoice | quickbooks_create_invoice | Looks right, email it to them.
quickbooks_record_payment | quickbooks_aged_receivables | Northwind's 1,080 came in this morning.
quickbooks_create_bill | quickbooks_list_vendors | The electricity people want 212, due on the 30th.
quickbooks_void_invoice | quickbooks_create_invoice | Wrong client. Make that one invalid.
quickbooks_balance_sheet | quickbooks_profit_and_loss | And what do we own and owe at the end of
. June?
spotify.startPlayback | spotify.searchCatalog | put the first one on
spotify.pausePlayback | | be quiet for a moment, the phone rings
spotify.skipToNext | | I hate this song
spotify.searchCatalog | | find something by Nina Simone
spotify.setVolume | | that's far too loud
spotify.getCurrentTrack | | who sings this?
spotify.addToQueue | spotify.searchCatalog | play it after the one that's on now
spotify.createPlaylist spotify.addToPlaylist | spotify.searchCatalog | make a mix for the road trip
. from these
spotify.getRecommendations | spotify.getCurrentTrack | more like that please
spotify.transferPlayback | | move the music over to the kitchen speaker
spotify.saveTrack | spotify.getCurrentTrack | I like it, keep it for me
spotify.getTopItems | | what did I listen to most this year?
travel_search_flights | | cheapest way to fly from Oslo to Lisbon in the second week of May
travel_book_flight | travel_search_flights | Take the morning one for both of us.
travel_flight_status | | is KL1234 late?
travel_search_hotels | | somewhere to sleep in Ghent for two nights, under 120
travel_book_hotel | travel_search_hotels | reserve the third
travel_rent_car | | we'll need wheels in Faro for a week
travel_online_check_in | | get me the boarding pass for QX3T9P
travel_select_seat | travel_online_check_in | by the window if possible, row 12
travel_visa_requirements | | do I need papers to enter Vietnam as a Dane?
travel_convert_currency | | how much is 300 pounds in kroner
travel_cancel_booking | travel_change_booking | Too expensive to shift. Then I'd rather have the
. money back.
travel_change_booking | travel_flight_status | I'd like to come home one day later.
figma.exportImages | | I need the logo as svg from the brand file
figma.getComments | | what feedback did people leave on the checkout mockup
figma.postComment | figma.getComments | answer there that the padding is fixed
figma.getVariables | | what are our colours and font sizes in the design?
figma.getCodeForNode | figma.getNode | Turn that frame into React.
figma.getVersions | figma.getFile | How did it look last week, is an old state kept?
figma.listProjectFiles | | which mockups are there in the Onboarding project
figma.getNode | figma.getFile | How wide is the card 12:340 and which font does it use?
dropbox_upload | | put report.pdf in the cloud under /clients
dropbox_create_link | dropbox_upload | I want to pass it on as an address that works until Friday.
dropbox_share_folder | | let tom@example.com change things in /designs
dropbox_search | | where did I put my passport scan
dropbox_restore | dropbox_list_folder | somebody overwrote budget.xlsx, I want yesterday's back
dropbox_space_usage | | how much room have I left online?
dropbox_download | dropbox_search | Get it onto this laptop, ~/docs.
dropbox_move | dropbox_list_folder | call that folder 2023-archive instead
dropbox_delete | dropbox_list_folder | the duplicates can go
create_entities | | remember that Lea is my sister and works at CERN
search_nodes | | what do you know about my allergies?
add_observations | open_nodes | She also speaks Danish now, add that.
delete_entities | search_nodes | forget everything about Bob
create_relations | create_entities | Those two are married.
read_graph | | list everything you remember
twilio_send_sms | | text +4520123456 that I'm running late
twilio_send_whatsapp | | whatsapp the picture of the menu to +4520123456
twilio_make_call | | ring +4520123456 and read them the script at https://example.com/s
twilio_start_verification | | make sure that +4520123456 really belongs to the customer
twilio_check_verification | twilio_start_verification | They typed 493021, is it right?
twilio_get_recording | twilio_get_call | I want to listen to it.
twilio_list_messages | | did my text reach them?
twilio_buy_number | | we want a Danish phone line of our own
youtube_search_videos | | any good tutorials about grafting apple trees?
youtube_get_transcript | youtube_search_videos | What does she say in the first one? Sum it up.
youtube_get_comments | | how do viewers react to dQw4w9WgXcQ
youtube_channel_statistics | | how many followers do the Slow Mo Guys have?
youtube_add_to_playlist | youtube_search_videos | keep the second for later in Garden
youtube_list_subscriptions | | whose clips do I get notified of
git_log linear_create_comment | linear_get_issue | Find which commit fixed it and note that on the
. issue.
sentry_find_issues linear_save_issue | | Look at what breaks most for users this week. File a
. ticket for the worst.
shopify_list_orders twilio_send_sms | | Find the parcels that are stuck, and text the buyers that
. we're sorry.
quickbooks_aged_receivables outlook.sendMail | | See who is late with paying and email them a
. friendly nudge.
zoom_schedule_meeting outlook.sendMail | | Set up a call for Monday at 9 and mail Ida the address.
mongo-aggregate discord_send_message | mongo-collection-schema | Work out sign-ups per day and post
. the result in the team channel.
figma.exportImages dropbox_upload | figma.getFile | Render the cover as png and keep it in /press.
travel_search_flights travel_search_hotels | | I need a flight to Rome on the 4th and a room near
. the station
pagerduty.addNote gcp_read_logs | pagerduty.acknowledgeIncident | Check what the service wrote
. around 3 am and put it on the timeline.
todoist-add-task outlook.searchMessages | | Dig up the letter about the car tax and remind me to
. pay it on the 20th.
salesforce_search_records mailchimp_add_subscriber | | Look up who our contact at Stark is and put
. her on the newsletter.
mcp__docker__build_image mcp__docker__run_container | git_pull | Build it and start it on 8080.
git_create_branch git_commit | git_diff_unstaged | Not on main. Make a new line for it and save my
. work there.
youtube_get_transcript create_entities | youtube_search_videos | Pull the text of that talk and
. remember the main claims.
spotify.searchCatalog spotify.startPlayback | | play Blue in Green
"""

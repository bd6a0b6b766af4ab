"""Two hundred questions with the tools that they need, written before the ranking was tuned.

A line has the needed tools, the tools called before (the last call last) and the text. The first
hundred are what a person asks; the others are steps of an agent's run: what the person asked or
what the agent wrote, after some calls. Many do not repeat a word of the tool.
"""

TEXT = """
github_create_issue | | File a bug on octo/checkout: the cart total is wrong when two vouchers are
. used.
github_search_issues | | has anybody already reported that dark mode flickers? any of our repos
github_merge_pull_request | | #482 is green and approved, squash it in please
github_create_pull_request | | My changes are on feature/login-rework, get them ready for review
. against main
github_get_pull_request_diff | | What exactly does PR 77 change in the payments module?
github_search_code | | Where in our code do we still call the deprecated parseLegacyDate function?
github_list_commits | | who touched config/nginx.conf last week and why
github_create_release | | ship v2.3.0 with the notes below
github_request_reviewers | | Can you get Mira and Tom to look over 512
jira_create_issue | | Make a ticket in PAY for the broken IBAN check, high priority
jira_transition_issue | | PAY-412 is finished, put it on Done
jira_search_issues | | Which tickets assigned to me are still open this sprint?
jira_add_worklog | | I spent three hours on OPS-88 yesterday afternoon, book it
jira_link_issues | | PAY-10 can't start until PAY-7 is through, record that dependency
jira_assign_issue | | give WEB-231 to Priya
slack_post_message | | Let everyone in #launch know that we go live at noon
slack_send_direct_message | | ping Dana privately that I'm ten minutes late
slack_get_channel_history | | What did I miss in #backend since this morning?
slack_search_messages | | somebody posted the VPN instructions on slack in spring, dig them up
slack_set_status | | show me as on holiday until the 14th with a palm tree
slack_set_do_not_disturb | | I need to focus, no notifications for the next two hours
gmail_search_messages gmail_get_message | | Did the landlord write back about the deposit? What
. does he say?
gmail_send_message | | Write to hr@acme.com that I accept the offer, and send it
gmail_create_draft | | Prepare an answer to the caterer but let me check it before it goes out
gmail_set_vacation_responder | | I'm away from Monday to Friday, people who write should get an
. automatic answer
gmail_create_filter | | Anything from the newsletter people should go straight to the Reading label
. from now on
gmail_modify_labels | | mark all those newsletters as read and archive them
calendar_create_event | | Put lunch with Sofia in my diary, Thursday 12:30 at Da Gino
calendar_list_events | | what does my Wednesday look like?
calendar_suggest_times | | When could Ann, Bo and I meet for an hour next week?
calendar_delete_event | | The offsite on Friday is off, take it out for everybody
calendar_respond_to_event | | Tell the organiser of the budget review that I'll come
calendar_find_rooms | | I need somewhere for eight people tomorrow from 2 to 3
grep_files | | find every place in src that still mentions ACME_TOKEN
read_file | | what's in the README of this folder?
delete_file | | get rid of the build folder
directory_tree | | Give me an overview of how this project is laid out on disk
edit_file | | in settings.py change the timeout from 30 to 60
postgres_query | | How many orders did we get in May, by country?
postgres_describe_table | | Which columns does the customers table have, and what's the primary key?
postgres_explain_query | | why does this select on events take nine seconds?
postgres_create_index | | make look-ups by email on users faster
postgres_execute | | set all accounts that haven't logged in since 2020 to inactive in the database
postgres_export_table | | dump the table invoices to csv
stripe_create_refund | | The customer wants her money back for pi_3Nx81, all of it
stripe_cancel_subscription | | Mr. Okafor doesn't want to renew, end his plan when the month is over
stripe_create_coupon | | We need a code SUMMER20 that takes a fifth off the first bill
stripe_create_payment_link | | a page where people can pay 49 euros for the workshop, I'll paste
. the address in the newsletter
stripe_list_invoices | | Who hasn't paid us yet?
stripe_retrieve_balance | | how much money will stripe pay out to us?
stripe_update_dispute | | The bank says the buyer contests the charge; send them the tracking
. number as proof
hubspot-create-contact | | I met Lena Park, CTO at Nordwind, lena@nordwind.io. Save her as a lead.
hubspot-update-deal | | We won the Globex contract! Mark it, 84k
hubspot-search-deals | | What's likely to close this quarter in sales?
hubspot-log-call | | Just spoke to Mr Braun on the phone, he wants a demo in June, note it in the
. CRM
hubspot-create-task | | remind Jo to follow up with Initech on Tuesday
notion_search notion_get_page | | What does our wiki say about parental leave?
notion_create_page | | Start a page for the retro under Team Rituals
notion_append_content | | Add these minutes to the bottom of the weekly sync notes page
notion_query_database | | Which entries of the content calendar are still unpublished?
notion_create_comment | | leave a remark on the roadmap doc that Q3 is too optimistic
sheets_append_rows | | add today's expenses to the budget spreadsheet: taxi 23, hotel 140
sheets_read_range | | what's in B2 to D10 of the tab Forecast?
sheets_create_chart | | draw a pie of spending by category from the workbook
sheets_create_pivot_table | | Sum up the sales sheet by region and month
sheets_share_spreadsheet | | let maria@acme.com edit the roster spreadsheet
zendesk_reply_to_ticket | | Answer the customer in 88123 that the replacement is on its way
zendesk_search_tickets | | Which urgent support cases about refunds are still unsolved?
zendesk_merge_tickets | | 501 and 502 are the same complaint, make one out of them
zendesk_get_satisfaction_ratings | | Were our customers happy with support in March?
aws_list_instances | | Which servers do we have running in Frankfurt?
aws_stop_instances | | shut down the staging machines for the weekend
aws_get_cost_and_usage | | Our cloud bill exploded, what did we spend it on last month?
aws_put_object | | copy backup.tar.gz into the acme-archive bucket
aws_create_presigned_url | | I need a link to the video in S3 that stops working tomorrow
aws_upsert_dns_record | | Point shop.acme.com to 203.0.113.9
aws_authorize_ingress | | allow the office, 198.51.100.0/24, to reach port 5432
k8s_get_pod_logs | | the checkout pod keeps crashing, what did it print before it died?
k8s_scale_deployment | | we need six copies of the api instead of three
k8s_rollout_undo | | the last release of payments is broken, go back to the one before
k8s_drain_node | | Node 7 gets new memory tonight, get everything off it
k8s_top_pods | | what eats all the memory in the cluster
grafana_query_prometheus | | What was the 99th percentile latency of the search service over the
. last day?
grafana_create_silence | | We're upgrading the database from 22 to 23 o'clock, nobody should be
. paged for it
grafana_get_on_call | | Who do I wake up if the site goes down tonight?
grafana_create_incident | | Checkout is completely down for all users, sound the alarm
grafana_create_alert_rule | | tell us when more than five per cent of requests fail
ci_get_job_log | | Why is the build red?
ci_rerun_pipeline | | the failure was just network noise, try that build again
ci_list_flaky_tests | | which tests fail only now and then?
browser_navigate browser_snapshot | | Open example.org/jobs and see whether they list any openings
browser_take_screenshot | | take a picture of the landing page as it is rendered
browser_fill_form | | enter my name, address and phone number on the order page
search_web | | What's the newest stable version of Rust?
search_news | | what are the papers writing about the rail strike
maps_directions | | how do I get from Utrecht to Ghent by train
maps_search_places | | is there a good ramen restaurant near the office that's open now?
weather_forecast | | Should I take an umbrella to Bergen on Saturday?
HassClimateSetTemperature | | it's freezing in the living room, make it 22
stripe_search_customers stripe_list_subscriptions | | What is ann@example.com paying for at the
. moment?
github_get_issue github_add_issue_comment | github_search_issues | Read issue 1204 and answer the
. reporter that it is fixed in 2.3.1.
github_push_files github_create_pull_request | github_get_file_contents github_create_branch | The
. branch exists now. Commit both changed files and open the PR.
github_create_review | github_get_pull_request github_get_pull_request_diff | I read the changes
. and they look right. Approve with a remark on the missing test.
github_update_issue | github_get_issue github_list_issue_comments | This was answered in the
. thread, so it can be closed with the label wontfix.
github_get_file_contents | github_search_code | The function is in lib/dates.ts. I have to see the
. file around it.
github_create_branch | github_get_file_contents github_get_file_contents | I know what to fix. I
. should not commit to main, so first a place for the work.
github_list_issue_comments | github_get_issue | What did people discuss under it?
github_run_workflow | github_merge_pull_request | Merged. Now kick off deploy.yml on main.
github_get_pull_request | github_list_pull_requests | Are the checks of 519 through and can it be
. merged?
jira_get_transitions jira_transition_issue | jira_get_issue | The state change was refused. See
. which moves the workflow allows, then make the right one.
jira_add_comment | jira_search_issues jira_get_issue | Write under PAY-300 that the fix goes out
. tomorrow.
jira_move_to_sprint | jira_list_boards jira_list_sprints | Sprint 44 is the next one. Put PAY-7,
. PAY-9 and PAY-10 into it.
jira_create_issue | jira_search_issues | No duplicate found, so file it as a story under the epic
. PAY-1.
jira_update_issue | jira_get_issue | The estimate is missing; five points.
slack_get_thread_replies | slack_get_channel_history | The outage thread has 40 answers; summarise
. them.
slack_post_message | slack_list_channels grafana_query_prometheus | Share the latency figures with
. #ops.
slack_invite_to_channel | slack_create_channel slack_find_user | The room exists. Get Amir and
. Chloe in.
slack_add_reaction | slack_get_channel_history | Just acknowledge Tim's note with a thumbs up.
slack_find_user slack_send_direct_message | calendar_list_events | The 3 o'clock was with
. jana@acme.com. Tell her privately I will be late.
slack_schedule_message | slack_search_messages | That reminder should appear in #sales on Monday at
. nine, not now.
gmail_reply_to_message | gmail_search_messages gmail_get_message | Answer her that Tuesday suits me.
gmail_download_attachment | gmail_search_messages gmail_get_message | Put the contract PDF that
. came with it in ~/contracts.
gmail_forward_message | gmail_get_message | The accountant should have this invoice as well, pass
. it on.
gmail_send_draft | gmail_create_draft | Looks good, off with it.
gmail_get_thread | gmail_search_messages | Read the whole back and forth with the insurance.
gmail_trash_message | gmail_search_messages gmail_get_message | That's phishing, bin it.
calendar_update_event | calendar_list_events calendar_get_event | Push the planning to 4 pm and
. invite Lee too.
calendar_query_free_busy | calendar_list_events | Is Bo available at that hour as well?
calendar_create_event | calendar_suggest_times | Take the second slot, add all three of us and a
. video link.
calendar_find_rooms calendar_update_event | calendar_get_event | We're twelve now. Get a bigger
. place for it.
calendar_share_calendar | calendar_list_calendars | My assistant ben@acme.com should be able to see
. and edit the main one.
edit_file | grep_files read_file | Replace the hard-coded key with os.environ and keep the rest.
read_file | directory_tree search_files | The settings seem to be in conf/app.toml. What port does
. it use?
write_file | list_directory read_file | There is no licence yet. Put the MIT text in LICENSE.
search_files | list_directory | Where are all the snapshots of tests, *.snap?
read_multiple_files | search_files | Compare the three Dockerfiles that were found.
create_directory move_file | list_directory | Tidy up: a folder old-reports with all the PDFs of
. 2022 in it.
get_file_info | list_directory read_file | When was this last modified, and who owns it?
grep_files edit_file | read_file | The helper get_usr should be called get_user. Find the callers
. and fix them.
postgres_query | postgres_list_tables postgres_describe_table | Now I know the columns. Count the
. sign-ups per week.
postgres_list_active_queries postgres_kill_query | postgres_list_slow_queries | Something blocks
. the migration. Look what is running and get rid of it.
postgres_list_tables | postgres_list_schemas | The schema is called billing. What is in it?
postgres_import_rows | read_file postgres_describe_table | Load these 300 records into
. staging.contacts and skip those that exist.
postgres_list_slow_queries | postgres_query | Pages are sluggish since Monday. What takes the
. longest on the server?
stripe_create_refund | stripe_search_customers stripe_list_payment_intents | It is the 49 euro
. payment of 3 May. She was charged twice, reimburse one.
stripe_finalize_invoice | stripe_create_customer stripe_create_invoice | Amounts are right, send
. the bill off.
stripe_create_price | stripe_create_product | The Pro plan should cost 29 euros a month.
stripe_update_subscription | stripe_search_customers stripe_list_subscriptions | Move them to the
. yearly plan with 10 seats.
stripe_create_subscription | stripe_create_customer stripe_list_products | Sign the new client up
. for Team, two weeks for free.
stripe_list_payment_intents | stripe_search_customers | Did his card go through last night?
hubspot-associate-records | hubspot-create-contact hubspot-create-company | She works there,
. connect the two.
hubspot-update-contact | hubspot-search-contacts | Her title is VP Engineering now and Sam looks
. after her.
hubspot-create-deal | hubspot-search-companies hubspot-list-pipelines | Open an opportunity over
. 20k with Globex in the first stage.
hubspot-merge-contacts | hubspot-search-contacts | These two are the same person, make them one.
hubspot-log-note | hubspot-search-companies | Write down for Globex that their budget is frozen
. until autumn.
hubspot-add-to-list | hubspot-search-contacts | Those nine should get the spring campaign.
notion_update_page_properties | notion_search notion_get_database notion_query_database | Set the
. article on pricing to Published and Kim as owner.
notion_get_page | notion_search | Read the second hit.
notion_append_content | notion_get_page | Put the decision about the vendor at the end of it.
notion_archive_page | notion_search notion_get_page | That onboarding page is out of date, throw it
. away.
notion_move_page | notion_search | It belongs under Engineering, not under Sales.
notion_create_page | notion_get_database | One new entry for the talk in Lisbon, status Idea.
sheets_write_range | sheets_read_range | The value in C7 is wrong, it has to be 1,250.
sheets_format_range | sheets_write_range | Headline bold and the amounts as euros with two decimals.
sheets_create_spreadsheet sheets_write_range | postgres_query | Put these results into a new
. workbook called Sign-ups 2024.
sheets_sort_range | sheets_read_range | Biggest customers first.
sheets_find_replace | sheets_read_ranges | It says Untied Kingdom everywhere. Fix the spelling in
. all tabs.
sheets_set_validation | sheets_read_range | People type all sorts of things in Status. Only Open,
. Paid and Late should be possible.
zendesk_get_user_tickets | zendesk_get_ticket | Has this customer complained before?
zendesk_update_ticket | zendesk_get_ticket zendesk_reply_to_ticket | Answered. Now solve it and tag
. it as shipping.
zendesk_apply_macro | zendesk_get_ticket zendesk_list_macros | The standard text for lost parcels
. fits, use that one.
zendesk_search_articles | zendesk_get_ticket | Do we have anything published about resetting a
. two-factor device?
aws_reboot_instances | aws_list_instances | i-0f3 does not respond any more, give it a kick.
aws_create_db_snapshot | aws_list_instances | Before the migration save the state of the database
. orders-prod.
aws_get_object | aws_list_buckets aws_list_objects | Fetch the newest of those logs to /tmp.
aws_update_function_config | aws_invoke_function | It ran out of memory. Give it a gigabyte.
aws_resize_volume | aws_list_instances | The disk of the build machine is full. 200 GB should do.
aws_put_secret_value | aws_get_object | The API key leaked, store the new one instead.
k8s_describe_resource | k8s_list_pods | checkout-5d is Pending for ten minutes. Why is it not
. scheduled?
k8s_rollout_status | k8s_set_image | Is the new version out everywhere yet?
k8s_apply_manifest | read_file k8s_get_resource | The YAML is corrected, put it on the cluster.
k8s_exec_in_pod | k8s_list_pods k8s_get_pod_logs | Check from inside of it whether it can resolve
. db.internal.
k8s_rollout_restart | k8s_create_config_map | They read the settings only when they start, so
. recycle the api pods.
k8s_get_pod_logs | grafana_list_alert_rules k8s_list_pods | api-7f has restarted 14 times. Look at
. its last lines before the crash.
k8s_autoscale_deployment | k8s_top_pods k8s_scale_deployment | I do not want to do that by hand
. every evening. Between 3 and 12, by load.
grafana_query_loki | grafana_list_alert_rules grafana_query_prometheus | Error rate jumped at
. 14:05. What do the services write about it?
grafana_get_trace | grafana_search_traces | Where did the slowest one spend its time?
grafana_update_incident | grafana_query_loki k8s_rollout_undo | Everything is back to normal. Write
. that the rollback helped and close it.
grafana_render_panel slack_upload_file | grafana_search_dashboards grafana_get_dashboard | Get the
. traffic panel as an image and share it in #ops.
grafana_list_alert_rules | grafana_get_on_call | What is firing right now?
ci_get_test_results | ci_list_pipelines ci_get_pipeline | The unit job failed. Which assertions
. broke?
ci_approve_job | ci_get_pipeline | Everything passed, let the production release through.
ci_download_artifact | ci_get_pipeline ci_list_artifacts | Get the coverage report.
ci_cancel_pipeline | ci_trigger_pipeline | Wrong branch! Abort it.
browser_click | browser_navigate browser_snapshot | Accept the cookies.
browser_type | browser_snapshot browser_click | Enter "noise cancelling headphones" in the search
. box and confirm.
browser_console_messages | browser_navigate browser_click | Nothing happens when I press the
. button. Any JavaScript errors?
search_fetch_page | search_web | Read the third result in full.
maps_place_details | maps_search_places | Until when is the second one open, and can I phone them?
HassTurnOff | HassGetState | Nobody is in the kitchen. Kill the lights there.
"""

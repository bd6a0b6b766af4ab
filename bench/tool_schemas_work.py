"""Tools of servers for development and office work: the notation is in `tool_schemas`."""

TEXT = """
= github_
+ Authenticates with the token in GITHUB_TOKEN, which needs the repo scope for private repositories.
+ The API allows 5,000 requests an hour; when the limit is reached the call fails with 403 and the
+ time at which to try again. Returns JSON as documented in the REST API, version 2022-11-28.
@owner str Account that owns the repository, a user or an organization. The name is not case
. sensitive.
@repo str Name of the repository without the .git extension. The name is not case sensitive.
@page int=1 Page number of the results to fetch, starting at 1.
@per_page int=30 Number of results per page, at most 100. Use a small page to save context.
@title str Title, one line of plain text without Markdown.
@body str Contents in GitHub-flavoured Markdown. Mentions (@user) notify people and #123 links to
. issues.
@labels [str] Names of labels. Labels that do not exist in the repository are rejected.
@assignees [str] Logins of the users to assign. Only users with push access can be assigned.
@milestone int Number of the milestone, not its title.
@state open|closed|all=open Which items to return by their state.
@new_state open|closed State to set. Closing keeps all comments and links.
@issue_number int Number of the issue, as shown after the # in its title and URL.
@pull_number int Number of the pull request, as shown after the # in its title and URL.
@sort created|updated|comments|best-match=created Property to sort the results by.
@direction asc|desc=desc Direction of the sort.
@since str Only items updated at or after this time, an ISO 8601 timestamp such as
. 2024-05-01T00:00:00Z.
@query str Search terms with GitHub search qualifiers, for example "is:open label:bug
. repo:octo/app".
@path str Path of the file or directory relative to the root of the repository, without a leading
. slash.
@ref str Name of a branch or tag, or a commit SHA. The repository's default branch if omitted.
@branch str Name of the branch.
@from_branch str Branch to start from; the default branch if omitted.
@content str New content of the file, as plain text; it is base64-encoded for you.
@message str Message of the commit. The first line should be at most 72 characters.
@sha str Blob SHA of the file being replaced. Required when updating a file that exists, otherwise
. the call fails with 409.
@files [{path:str,content:str}] Files to write in one commit, each with path and full content.
@head str Branch that contains the changes; user:branch for a fork.
@base str Branch that the changes are merged into.
@draft bool=false Whether to open it as a draft that cannot be merged yet.
@merge_method merge|squash|rebase=merge How to combine the commits.
@event APPROVE|REQUEST_CHANGES|COMMENT What the review says. REQUEST_CHANGES blocks merging in
. protected branches.
@comments [{path:str,line:int,body:str}] Comments on lines of the diff, each with path, line and
. body.
@tag str Name of the git tag, for example v1.4.0.
@prerelease bool=false Whether to mark it as not ready for production.
@private bool=false Whether only people with access can see it.
@description str One-sentence description shown under the name.
@author str Login or e-mail address of the author of the commits.
@organization str Organization to fork to; your own account if omitted.
@reviewers [str] Logins of the people to ask.
@workflow_id str File name of the workflow, such as ci.yml, or its numeric id.
create_issue: Open a new issue in a repository. Search for an existing issue first, because
. duplicates annoy
. maintainers. Requires the issues:write scope. Returns the number and URL of the issue that was
. created.
  owner! repo! title! body labels assignees milestone
get_issue: Get the title, body, labels, assignees and state of one issue. Comments are not
. included; fetch
. them with github_list_issue_comments. Pull requests are issues too and can be read with the same
. number.
  owner! repo! issue_number!
update_issue: Change the title, body, labels, assignees, milestone or state of an issue. Fields
. that are left
. out keep their values; labels and assignees are replaced as a whole, so pass the complete lists.
  owner! repo! issue_number! title body new_state labels assignees milestone
list_issues: List the issues of one repository with filters for state, labels and time. For text
. search
. across repositories use github_search_issues instead. Results are paginated.
  owner! repo! state labels sort direction since page per_page
search_issues: Search issues and pull requests across all repositories you can see with GitHub's
. search syntax.
. The search API allows 30 requests a minute; combine qualifiers rather than calling repeatedly.
  query! sort direction page per_page
add_issue_comment: Add a comment to an issue or pull request conversation. Subscribers get a
. notification by
. mail, so do not post progress chatter. For comments on lines of a diff create a review.
  owner! repo! issue_number! body!
list_issue_comments: List the comments of an issue in chronological order, with author and time of
. each. Useful
. to follow a discussion before answering.
  owner! repo! issue_number! since page per_page
create_pull_request: Propose merging one branch into another. Both branches must exist and differ
. by at least one
. commit. The body should say what changes and why. Returns the number and URL.
  owner! repo! title! head! base! body draft
get_pull_request: Get one pull request with its branches, mergeability, review decision and check
. status. The diff
. itself is returned by github_get_pull_request_diff.
  owner! repo! pull_number!
get_pull_request_diff: Get the unified diff of a pull request. Diffs above 20,000 lines are
. truncated by the API;
. list the files first in that case.
  owner! repo! pull_number!
list_pull_requests: List pull requests of a repository by state, head and base branch. Drafts are
. included.
  owner! repo! state head base sort direction page per_page
merge_pull_request: Merge a pull request that has no conflicts and whose required checks have
. passed. This cannot
. be undone from the API. Never merge without the user's explicit consent.
  owner! repo! pull_number! merge_method title message
create_review: Submit a review of a pull request: approve it, request changes or leave remarks on
. lines of the
. diff. All comments are published together in one notification.
  owner! repo! pull_number! event! body comments
request_reviewers: Ask people to review a pull request. They are notified by mail and see it in
. their queue.
  owner! repo! pull_number! reviewers!
get_file_contents: Read a file or list a directory of a repository at a branch, tag or commit.
. Files above 1 MB
. are returned as a download link rather than as text.
  owner! repo! path! ref
create_or_update_file: Write a single file to a branch as one commit. To write several files at
. once use
. github_push_files. The blob SHA of the old version must be given when the file exists.
  owner! repo! path! content! message! branch! sha
push_files: Write several files to a branch in a single commit. Existing files with the same paths
. are
. overwritten without a merge.
  owner! repo! branch! files! message!
create_branch: Create a branch from the tip of another one. Fails with 422 if the name is taken.
  owner! repo! branch! from_branch
list_commits: List the commits of a branch, newest first, optionally only those that touch a path
. or are by one
. author. Useful for finding out who changed something and when.
  owner! repo! ref path author since page per_page
search_code: Search the contents of files on default branches, with qualifiers such as language:,
. path: and
. symbol:. Only files smaller than 384 KB are indexed.
  query! page per_page
create_release: Publish a release for a tag, with notes in Markdown. The tag is created from the
. given ref if it does
. not exist.
  owner! repo! tag! title body ref draft prerelease
fork_repository: Copy a repository into your account or an organization, so that you can propose
. changes to a
. project that you cannot push to.
  owner! repo! organization
create_repository: Create a new, empty repository with a README in your account or an organization.
  title! description private organization
run_workflow: Start a GitHub Actions workflow that has the workflow_dispatch trigger on a branch or
. tag.
  owner! repo! workflow_id! ref!
= jira_
+ Works on the Jira Cloud site that the server is configured for. A 404 can also mean that the
+ account has no permission to browse the project. Rich text is converted between Markdown and the
+ Atlassian Document Format; macros are not supported. Dates are in the time zone of the account.
@issue_key str Key of the issue, project key and number, for example PAY-412.
@project_key str Key of the project in capital letters, for example PAY. Use jira_list_projects to
. find it.
@jql str Query in the Jira Query Language, for example: project = PAY AND status = "In Progress"
. ORDER BY updated DESC.
@summary str Short summary, shown in lists and on boards; at most 255 characters.
@description str Description in Markdown; it is converted to Atlassian Document Format.
@issue_type Story|Bug|Task|Epic|Sub-task=Task Type of work. Not every project has all types.
@priority Highest|High|Medium|Low|Lowest=Medium How urgent the work is.
@assignee str Account id or e-mail address of the person responsible; "unassigned" to clear it.
@components [str] Names of the components that are affected.
@parent_key str Key of the epic or parent issue.
@story_points num Estimate of the effort in story points.
@fields [str] Names of the fields to return; all navigable fields if omitted, which is long.
@max_results int=20 Number of issues to return, at most 100.
@start_at int=0 Offset of the first result, for paging.
@transition str Name of the transition or of the target status, such as "Done". Only transitions
. from the present status are allowed.
@resolution Done|WontDo|Duplicate|CannotReproduce Resolution to set when the transition closes the
. issue.
@comment str Text of the comment in Markdown.
@visibility str Name of the role or group that may see it; everybody with access if omitted.
@board_id int Number of the agile board, from jira_list_boards.
@sprint_id int Number of the sprint, from jira_list_sprints.
@sprint_state active|future|closed=active Which sprints to return.
@issue_keys [str] Keys of the issues, at most 50.
@time_spent str Time spent in Jira's notation: 2h 30m, 1d, 3w.
@started str When the work began, ISO 8601 with offset.
@link_type blocks|is_blocked_by|relates_to|duplicates|clones Kind of the link, as read from the
. first issue to the second.
@target_key str Key of the other issue.
@name str Name, shown to everybody.
@goal str One or two sentences on what should be achieved.
@start_date str First day, YYYY-MM-DD.
@end_date str Last day, YYYY-MM-DD.
@account str Account id or e-mail address of the user.
create_issue: Create a story, bug, task or epic in a project. Some projects have required custom
. fields; the error
. names them. Returns the key of the new issue.
  project_key! summary! issue_type! description priority assignee components parent_key story_points
get_issue: Get one issue with its fields, comments, links and recent history.
  issue_key! fields
update_issue: Edit fields of an issue: summary, description, priority, components, estimate or
. parent. Does not change
. the status; use jira_transition_issue for that.
  issue_key! summary description priority components parent_key story_points
assign_issue: Make a person responsible for an issue, or clear the assignment. The person is
. notified.
  issue_key! assignee!
transition_issue: Move an issue to another status of its workflow, for example from In Progress to
. Done. Call
. jira_get_transitions first if you do not know which moves are allowed.
  issue_key! transition! resolution comment
get_transitions: List the moves that the workflow allows from the present status of an issue, with
. required fields.
  issue_key!
search_issues: Find issues with a JQL query. Use ORDER BY to sort and LIMIT-like paging by
. start_at. JQL strings with
. spaces must be quoted.
  jql! fields max_results start_at
add_comment: Add a comment to an issue. Watchers are notified.
  issue_key! comment! visibility
add_worklog: Log working time on an issue, so that it appears in time sheets. The remaining
. estimate is reduced.
  issue_key! time_spent! started comment
link_issues: Connect two issues, for example to say that one blocks or duplicates the other.
  issue_key! target_key! link_type!
list_projects: List the projects that you can browse with key, name and lead.
  start_at max_results
list_boards: List the Scrum and Kanban boards, optionally of one project.
  project_key start_at max_results
list_sprints: List the sprints of a board with goal, dates and state.
  board_id! sprint_state
move_to_sprint: Put issues into a sprint. Issues of other sprints are moved without asking.
  sprint_id! issue_keys!
create_sprint: Create a future sprint on a board. It is started by a person in the board's backlog
. view.
  board_id! name! goal start_date end_date
add_watcher: Add a user to the people who are notified of changes of an issue.
  issue_key! account!
= slack_
+ Uses the bot token of the workspace. The bot has to be a member of private channels, otherwise the
+ API answers not_in_channel or channel_not_found. Subject to rate limits of tier 3, about 50 calls
+ a minute; the error ratelimited says after how many seconds to retry.
@channel str Id of the channel, such as C024BE91L, or its name with #. Ids survive renaming.
@text str Text in Slack's mrkdwn: *bold*, _italic_, <https://example.com|links>, <@U024BE7LH> for
. mentions.
@thread_ts str Timestamp of the parent message, such as 1718031234.000100; makes it a reply in the
. thread.
@reply_broadcast bool=false Whether a reply is also shown in the channel itself.
@blocks [obj] Layout blocks for rich formatting. The text is then the fallback for notifications.
@user str Id of the user, such as U024BE7LH.
@users [str] Ids of the users, at most 8.
@email str E-mail address of the person, as in their profile.
@limit int=50 Number of items to return, at most 200.
@cursor str Cursor of the next page from the last response.
@oldest str Only messages after this Unix time.
@latest str Only messages before this Unix time.
@query str Words to search for, with modifiers such as from:@ann in:#ops before:2024-06-01 has:link.
@sort score|timestamp=score Order of the results.
@ts str Timestamp of the message.
@name str Name in lower case without spaces, at most 80 characters.
@is_private bool=false Whether only invited people can see it.
@emoji str Name of the emoji without colons, such as thumbsup.
@post_at int Unix time at which it is sent, at most 120 days from now.
@topic str Topic, shown in the header.
@filename str Name of the file with extension.
@content str Content of the file as text.
@status_text str What you are doing, at most 100 characters.
@status_emoji str Emoji with colons, such as :palm_tree:.
@status_expiration int Unix time at which it is cleared; 0 for never.
@minutes int How long, in minutes.
post_message: Post a message to a channel, a private group or a thread. Everybody in the channel
. can read it, so make
. sure that the content is meant for them. Returns the timestamp that identifies the message.
  channel! text! thread_ts reply_broadcast blocks
send_direct_message: Open a conversation with one or more users and send them a message in private.
  users! text! blocks
get_channel_history: Fetch recent messages of a channel, newest first, without replies in threads.
  channel! oldest latest limit cursor
get_thread_replies: Fetch all replies of a thread, oldest first, beginning with the parent.
  channel! thread_ts! limit cursor
search_messages: Search messages in all channels that you can read. Recent messages may take a
. minute to be indexed.
  query! sort limit cursor
list_channels: List public channels and the private ones you belong to, with topic and number of
. members.
  limit cursor
create_channel: Create a public or private channel. Names of archived channels cannot be used again.
  name! is_private topic
invite_to_channel: Add users to a channel. Guests can only be invited by an administrator.
  channel! users!
add_reaction: React to a message with an emoji, for example to acknowledge it without writing.
  channel! ts! emoji!
schedule_message: Queue a message that is sent to a channel later. It can be deleted until one
. minute before.
  channel! text! post_at! thread_ts
upload_file: Upload a text file or snippet and share it in a channel.
  channel! filename! content! text thread_ts
find_user: Look up a person by e-mail address and return id, display name, title, time zone and
. status.
  email!
set_status: Set your own status text and emoji, for example while on holiday or in a meeting.
  status_text! status_emoji status_expiration
set_do_not_disturb: Turn off notifications for yourself for a number of minutes.
  minutes!
= gmail_
+ Acts on the mailbox of the signed-in Google account. Needs the OAuth scope gmail.modify; an
+ expired token leads to the error invalid_grant, after which the user has to sign in again. Quota
+ is 250 units a second for each user. Ids are opaque strings and are only valid for this account.
@to [str] Addresses of the recipients, each "name <a@b.c>" or the bare address.
@cc [str] Addresses that receive a copy and are visible to all.
@bcc [str] Addresses that receive a copy and are hidden from the others.
@subject str Subject line.
@body str Body as plain text or HTML. Signatures are added by the account's settings.
@is_html bool=false Whether the body is HTML.
@attachments [str] Paths or Drive ids of files to attach; 25 MB in all at most.
@message_id str Id of the message, from gmail_search_messages.
@thread_id str Id of the conversation.
@draft_id str Id of the draft.
@query str Query as in the search box: from:amy newer_than:7d has:attachment is:unread "exact
. phrase".
@max_results int=20 Number of results, at most 100.
@page_token str Token of the next page.
@include_spam_trash bool=false Whether to search in spam and trash as well.
@format full|metadata|minimal=full How much of the message to return.
@reply_all bool=false Whether to answer everybody instead of only the sender.
@add_labels [str] Ids of labels to add. STARRED, IMPORTANT and UNREAD are labels too.
@remove_labels [str] Ids of labels to remove. Removing INBOX archives the message.
@message_ids [str] Ids of the messages, at most 1000.
@attachment_id str Id of the attachment, from the message's parts.
@save_path str Local path to save it at.
@name str Name; nest with slashes, such as Clients/Acme.
@criteria {from:str,to:str,subject:str,query:str} Which messages it applies to; fields are combined
. with AND.
@action {add_labels:[str],remove_labels:[str],forward:str} What is done with them.
@start_date str First day, YYYY-MM-DD.
@end_date str Last day, YYYY-MM-DD.
send_message: Send a new e-mail at once. It cannot be recalled, so show the user recipients,
. subject and text first.
  to! subject! body! cc bcc is_html attachments
create_draft: Save an e-mail as a draft without sending, so that the user can check and send it.
  to subject body! cc bcc is_html attachments thread_id
send_draft: Send a draft that exists.
  draft_id!
reply_to_message: Answer an e-mail within its conversation; subject, references and recipients are
. set for you.
  message_id! body! reply_all is_html attachments
forward_message: Send an e-mail on to other people with its attachments.
  message_id! to! body
search_messages: Search the mailbox and return ids, senders, subjects and snippets. Read the full
. text of those that
. matter with gmail_get_message.
  query! max_results page_token include_spam_trash
get_message: Read one e-mail: headers, text and the list of its attachments.
  message_id! format
get_thread: Read a whole conversation, oldest message first.
  thread_id! format
modify_labels: Add or remove labels of messages in bulk. Archive by removing INBOX; mark as read by
. removing UNREAD.
  message_ids! add_labels remove_labels
trash_message: Move an e-mail to the trash, where it is deleted for good after 30 days.
  message_id!
list_labels: List the labels of the account with their ids and numbers of unread messages.
create_filter: Create a rule that is applied to incoming mail, such as labelling, archiving or
. forwarding it.
  criteria! action!
download_attachment: Save an attachment of an e-mail to disk.
  message_id! attachment_id! save_path!
set_vacation_responder: Turn on an automatic answer while you are away, between two dates.
  subject body! start_date! end_date!
= calendar_
+ Acts on behalf of the signed-in Google account with the OAuth scope calendar. Times without an
+ offset are read in the time zone of the calendar. The error 409 means that the item was changed
+ meanwhile: read it again and repeat the change. Returns the resource as JSON.
@calendar_id str=primary Calendar identifier; "primary" is the main calendar of the signed-in user.
@event_id str Identifier of the event, from calendar_list_events.
@summary str Title of the event.
@description str Description or agenda; may contain HTML.
@location str Address or room, as free text.
@start str Start, RFC 3339 with offset such as 2024-06-03T10:00:00+02:00; a bare date makes an
. all-day event.
@end str End, in the same form as the start; exclusive.
@time_zone str IANA time zone, such as Europe/Berlin.
@attendees [str] E-mail addresses of the guests.
@recurrence [str] RRULE lines, such as RRULE:FREQ=WEEKLY;BYDAY=MO.
@reminders [{method:str,minutes:int}] Reminders that replace the defaults of the calendar.
@conference bool=false Whether to create a video call link.
@send_updates all|externalOnly|none=all Who is notified by mail.
@time_min str Lower bound of the end of events, RFC 3339.
@time_max str Upper bound of the start of events, RFC 3339.
@q str Words that must occur in title, description, place or guests.
@max_results int=50 Number of events to return, at most 250.
@single_events bool=true Whether to expand recurring events into their occurrences.
@response accepted|declined|tentative Answer to the organiser.
@comment str Note to the organiser.
@duration_minutes int Length of the meeting in minutes.
@working_hours bool=true Whether to consider only 9:00 to 17:00 of each person's time zone.
@people [str] E-mail addresses of the people or rooms, at most 50.
@building str Name of the building.
@capacity int Least number of seats.
@name str Name of the calendar.
@role reader|writer|freeBusyReader Kind of access.
@email str Address of the person.
create_event: Create an event, invite guests, book a room and add a video link. Check the guests'
. free time first.
  summary! start! end! calendar_id description location attendees recurrence reminders conference
. time_zone send_updates
update_event: Change time, place, title or guests of an event. Guests get an update unless
. send_updates says otherwise.
  event_id! calendar_id summary start end description location attendees recurrence reminders
. send_updates
delete_event: Cancel an event and take it off the calendars of all guests. For one occurrence of a
. series pass its own id.
  event_id! calendar_id send_updates
get_event: Get one event with its guests and their answers, video link and attachments.
  event_id! calendar_id
list_events: List the events between two times, in order of their start. Use it to see what a day
. looks like.
  time_min! time_max! calendar_id q max_results single_events
respond_to_event: Accept, decline or tentatively accept an invitation.
  event_id! response! comment
query_free_busy: Return when people and rooms are busy between two times, without titles of the
. events.
  people! time_min! time_max! time_zone
suggest_times: Propose slots at which all the given people can meet, best first.
  people! duration_minutes! time_min! time_max! working_hours
list_calendars: List the calendars that you own or subscribe to with their colours and access.
find_rooms: Find meeting rooms that are free between two times with enough seats and, if asked, in
. one building.
  start! end! capacity building
share_calendar: Give a person access to one of your calendars.
  calendar_id! email! role!
create_calendar: Create a secondary calendar, for example for a project or on-call rota.
  name! description time_zone
= -files
+ Only works within the directories that the server was started with; list them with the roots
+ request. Symbolic links that lead outside are refused. Errors name the path and the reason as the
+ operating system reports it. Text is read and written as UTF-8 with the line ends that are there.
@path str Absolute path, or a path relative to the allowed root. Paths outside the allowed
. directories are refused.
@paths [str] Paths of the files.
@head int Return only the first so many lines.
@tail int Return only the last so many lines.
@content str Full content, UTF-8.
@edits [{old_text:str,new_text:str}] Replacements; each old text must occur exactly once.
@dry_run bool=false Whether to return the diff without writing.
@source str Path that is read.
@destination str Path that is written; it must not exist.
@pattern str Glob pattern, such as **/*.test.ts.
@exclude_patterns [str] Glob patterns of what to leave out, such as node_modules/**.
@regex str Regular expression, in the syntax of Rust's regex crate.
@context_lines int=2 Lines to show around each match.
@recursive bool=false Whether to include everything below.
@sort_by name|size|modified=name Order of the entries.
@mode str Permissions in octal, such as 0644.
read_file: Read a text file. Large files should be read in parts with head or tail. Binary files
. are refused.
  path! head tail
read_multiple_files: Read several text files at once; a file that cannot be read does not fail the
. others.
  paths!
write_file: Create a file or overwrite it completely. Use edit_file to change a part, since what
. was there is lost.
  path! content!
edit_file: Replace passages of a text file and return a unified diff of what changed.
  path! edits! dry_run
create_directory: Create a directory with its parents; succeeds if it exists.
  path!
list_directory: List the entries of a directory with their kinds and sizes.
  path! sort_by
directory_tree: Return the tree of directories and files below a path as JSON. Can be very long for
. big projects.
  path! exclude_patterns
move_file: Move or rename a file or directory. Fails if the destination exists.
  source! destination!
copy_file: Copy a file or, recursively, a directory.
  source! destination! recursive
delete_file: Delete a file or directory. There is no trash: this cannot be undone.
  path! recursive
search_files: Find files and directories whose names match a glob pattern.
  path! pattern! exclude_patterns
grep_files: Find the lines of files that match a regular expression, with context.
  path! regex! pattern context_lines
get_file_info: Return size, owner, permissions and times of creation and modification of a file.
  path!
"""

/**
 * Every English text of the app, by place. Words follow docs/glossary.md; texts with a part that
 * varies are functions, so that other languages can order it as they need.
 */
export const en = {
  app: {
    name: 'Agentry',
    title: (page: string) => `${page} · Agentry`,
    tagline: 'Build AI agents, run them, and see what they did and what it cost.'
  },

  common: {
    cancel: 'Cancel',
    close: 'Close',
    copied: 'Copied',
    copy: 'Copy',
    copyCode: 'Copy error code',
    copyFailed: 'The browser refused to copy. Select the text and copy it by hand.',
    create: 'Create',
    download: 'Download',
    hidePassword: 'Hide password',
    loading: 'Loading',
    nothingMatches: 'Nothing matches',
    optional: '(optional)',
    save: 'Save',
    saved: 'Saved',
    showOptions: 'Show options',
    showPassword: 'Show password',
    shownOnce: 'This is the only time it is shown. Store it now: it will not come back.',
    tryAgain: 'Try again',
    undo: 'Undo',
    unsaved: 'Unsaved changes',
    leaveUnsaved: 'You have unsaved changes. Leave without saving them?',
    useTyped: (typed: string) => `Use “${typed}”`
  },

  shell: {
    skip: 'Skip to content',
    rail: 'Main',
    collapse: 'Collapse navigation',
    expand: 'Expand navigation',
    breadcrumb: 'Breadcrumb',
    search: 'Search or jump to',
    searchShort: 'Search',
    more: 'More',
    organization: 'Organization',
    switchOrganization: 'Switch organization',
    personal: 'Personal',
    createOrganization: 'New organization',
    account: 'Account',
    accountMenu: 'Account menu',
    signOut: 'Sign out',
    theme: 'Theme',
    themes: { light: 'Light', dark: 'Dark', system: 'System' },
    keyboardShortcuts: 'Keyboard shortcuts'
  },

  navigation: {
    agents: 'Agents',
    runs: 'Runs',
    settings: 'Settings'
  },

  palette: {
    title: 'Command palette',
    placeholder: 'Type a command or search',
    empty: 'Nothing found. Try other words.',
    goTo: 'Go to',
    organizations: 'Switch organization',
    actions: 'Actions',
    appearance: 'Appearance'
  },

  shortcuts: {
    title: 'Keyboard shortcuts',
    general: 'General',
    palette: 'Open the command palette',
    help: 'Show this list',
    search: 'Search in a list',
    submit: 'Submit a form',
    save: 'Save'
  },

  public: {
    toggleTheme: 'Switch between light and dark',
    openApp: 'Open Agentry'
  },

  auth: {
    signIn: 'Sign in',
    signUp: 'Sign up',
    createAccount: 'Create account',
    signUpText: 'You get a workspace of your own. It is free and needs no card.',
    name: 'Name',
    nameTooLong: 'Keep it to 120 characters.',
    email: 'E-mail',
    emailInvalid: 'Enter an e-mail address, such as you@company.com.',
    password: 'Password',
    passwordMissing: 'Enter your password.',
    passwordHelp: (shortest: number) => `At least ${shortest} characters.`,
    passwordTooShort: (shortest: number) => `Use at least ${shortest} characters.`,
    passwordTooLong: 'Use at most 72 characters.',
    forgot: 'Forgot password?',
    noAccount: 'No account yet?',
    haveAccount: 'Have an account?',
    backToSignIn: 'Back to sign in',
    resetPassword: 'Reset password',
    resetText: 'Enter your e-mail address. We send a link with which you can set a new password.',
    sendLink: 'Send link',
    checkMail: 'Check your e-mail',
    confirmSent: (email: string) =>
      `We sent a link to ${email}. Open it in this browser to confirm the address and sign in.`,
    resetSent: (email: string) =>
      `If ${email} has an account, a link is on its way. Open it in this browser; it is good for an hour.`,
    newPassword: 'New password',
    savePassword: 'Save password',
    passwordChanged: 'Password changed',
    linkMissing: 'Open the link from the e-mail',
    linkMissingText:
      'A new password can be set only through the link that we send. It may have been used or expired.',
    linkFailed: 'This link does not work',
    signingIn: 'Signing you in',
    signingInText: 'One moment.'
  },

  form: {
    summary: (count: number) =>
      count === 1 ? 'One field needs attention.' : `${count} fields need attention.`
  },

  table: {
    filter: 'Filter',
    removeFilter: (name: string, value: string) => `Remove filter ${name}: ${value}`,
    clearFilters: 'Clear all',
    columns: 'Columns',
    loadMore: 'Load more',
    selectAll: 'Select all rows',
    selectRow: 'Select row',
    bulkActions: 'Actions for the selected rows',
    selected: (count: number) => `${count} selected`,
    clearSelection: 'Clear'
  },

  status: {
    pending: 'Pending',
    running: 'Running',
    waiting: 'Waiting',
    completed: 'Completed',
    failed: 'Failed',
    cancelled: 'Cancelled'
  },

  errors: {
    unreachable: {
      what: 'The server cannot be reached.',
      data: 'Nothing that was saved is lost.',
      next: 'Check your connection, then try again.'
    },
    unavailable: {
      what: 'A part of the server is away for a moment.',
      data: 'Nothing that was saved is lost.',
      next: 'Try again in a few seconds.'
    },
    unexpected: {
      what: 'Something unexpected happened.',
      data: 'What you had saved before is safe.',
      next: 'Try again; if it happens again, report it with the code.'
    },
    took_too_long: {
      what: 'The server took too long to answer.',
      data: 'Nothing was changed.',
      next: 'Try again, or narrow what you ask for.'
    },
    try_again: {
      what: 'Somebody changed the same thing at the same moment.',
      data: 'Your change was not saved.',
      next: 'Try again.'
    },
    not_signed_in: {
      what: 'You are not signed in.',
      data: 'Nothing was changed.',
      next: 'Sign in and try again.'
    },
    session_ended: {
      what: 'Your session has ended.',
      data: 'Nothing was changed.',
      next: 'Sign in again.'
    },
    account_deactivated: {
      what: 'This account is deactivated.',
      data: 'Its data is kept.',
      next: 'Ask the operator of this installation.'
    },
    not_allowed: {
      what: 'Your role does not allow this.',
      data: 'Nothing was changed.',
      next: 'Ask an admin or owner of the organization.'
    },
    not_found: {
      what: 'This does not exist, or you may not see it.',
      data: '',
      next: 'It may have been deleted, or belong to another organization.'
    },
    page_not_found: {
      what: 'There is no page at this address.',
      next: 'Check the address, or start from the home page.'
    },
    organization_not_found: {
      what: 'This organization does not exist, or you are not a member.',
      next: 'Switch to another organization.'
    },
    link_incomplete: {
      what: 'Something is missing from this link.',
      next: 'Open it from the e-mail itself, or ask for a new one.'
    },
    otp_expired: {
      what: 'This link has expired or was used before.',
      next: 'Ask for a new one.'
    },
    bad_code_verifier: {
      what: 'This link was asked for in another browser.',
      next: 'Open it there, or ask for a new one here.'
    },
    pkce_code_verifier_not_found: {
      what: 'This link was asked for in another browser.',
      next: 'Open it there, or ask for a new one here.'
    },
    already_exists: {
      what: 'Something with this name exists already.',
      data: 'Nothing was changed.',
      next: 'Choose another one.'
    },
    value_refused: {
      what: 'The server did not accept one of the values.',
      data: 'Nothing was changed.',
      next: 'Check what you entered.'
    },
    invalid_credentials: {
      what: 'E-mail or password is wrong.',
      next: 'Try again, or reset the password.'
    },
    email_not_confirmed: {
      what: 'This e-mail address is not confirmed yet.',
      next: 'Open the link in the e-mail that you got when you signed up.'
    },
    user_already_exists: {
      what: 'An account with this e-mail address exists.',
      next: 'Sign in instead, or reset the password.'
    },
    weak_password: {
      what: 'This password is too easy to guess.',
      next: 'Choose a longer one.'
    },
    same_password: {
      what: 'This is the password you have already.',
      data: 'Nothing was changed.',
      next: 'Choose another one.'
    },
    over_request_rate_limit: {
      what: 'That was too many attempts.',
      next: 'Wait a minute, then try again.'
    },
    over_email_send_rate_limit: {
      what: 'Too many e-mails were sent to this address.',
      next: 'Wait a minute, then try again.'
    }
  }
};

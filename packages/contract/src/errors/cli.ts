/** What `strongroom` and the portal’s pages say of themselves; all else they pass on. Http404 and the like: a server answered with that status and no code. */
export const cliErrors = {
  AlreadyRunning: {
    when: 'A server runs for the state directory, whose VMs are to be copied.',
    remedy: 'Stop it, then repeat the command.',
  },
  AmbiguousName: {
    when: 'Several VMs have the name.',
    remedy: 'Name the group: -g.',
  },
  AskedSettingsUnreadable: {
    when: 'What the VM was asked for with cannot be read.',
    remedy: 'Say it by the flags that the error names.',
  },
  AttestationProviderUnreachable: {
    when: 'The keys of an attestation provider cannot be fetched.',
    remedy: 'See that it can be reached from here.',
  },
  AttestationVerifiersInvalid: {
    when: 'The file that names attestation providers of other origins cannot be used.',
    remedy: 'Correct it as docs/trust-report.md describes it.',
  },
  CannotSign: {
    when: 'ssh-keygen could not sign.',
    remedy: 'Name a private key that the VM accepts.',
  },
  ContainersElsewhere: {
    when: 'The container engine that Testcontainers found is on another machine.',
    remedy: 'Point DOCKER_HOST at a socket of this machine, or use start() of the package.',
  },
  ControlFailed: {
    when: 'The drill’s control failed, so that its attacks say nothing.',
    remedy: 'See that the VM starts and is trusted, then drill again.',
  },
  EntryNotFound: {
    when: 'The log has no such entry.',
    remedy: 'List the entries.',
  },
  FileNotRead: {
    when: 'A file cannot be read as JSON.',
    remedy: 'Correct it.',
  },
  FileNotReadable: {
    when: 'A file is missing or has another form.',
    remedy: 'Check its name.',
  },
  FileNotWritten: {
    when: 'A file cannot be written.',
    remedy: 'Name one that you may write.',
  },
  FileTooLarge: {
    when: 'A file is larger than evidence is.',
    remedy: 'Give the evidence itself.',
  },
  ImageBuildFailed: {
    when: 'The image was not built.',
    remedy: 'Read what the build printed.',
  },
  ImageNotBuilt: {
    when: 'The reference image is not built yet.',
    remedy: 'Build it: `strongroom image build`.',
  },
  InstallationChanged: {
    when: 'Files of the installation changed during a drill.',
    remedy: 'Let nothing else write to it.',
  },
  Interrupted: {
    when: 'The drill was interrupted. The VM is as it was.',
    remedy: 'Drill again.',
  },
  InvalidArgument: {
    when: 'An argument has a value that it cannot have.',
    remedy: 'Give one that the error names.',
  },
  InvalidPolicy: {
    when: 'An evidence policy has another form.',
    remedy: 'See docs/evidence-policy.md.',
  },
  InvalidReleasePolicy: {
    when: 'A release policy has another form.',
    remedy: 'Correct it at the place that the error names.',
  },
  KeptHeadUnreadable: {
    when: 'What the browser remembers of a log cannot be read.',
    remedy: 'Forget it only if you accept that earlier changes to the log go unnoticed.',
  },
  KeyAttestationRefused: {
    when: 'The statement of a key is not the key service’s.',
    remedy: 'Fetch it again, and take ca.pem over a way that you trust.',
  },
  LogCut: {
    when: 'The log is shorter than it was when it was last verified.',
    remedy: 'Ask whoever runs the vault why.',
  },
  LogForked: {
    when: 'The log is not the one that was last verified.',
    remedy: 'Ask whoever runs the vault why.',
  },
  LogKeyChanged: {
    when: 'The log is signed by another key than before.',
    remedy: 'Ask whoever runs the vault why.',
  },
  Malformed: {
    when: 'The log has another form.',
    remedy: 'Ask whoever runs the vault why.',
  },
  Missing: {
    when: 'The log lacks entries that it signed for.',
    remedy: 'Ask whoever runs the vault why.',
  },
  MissingProgram: {
    when: 'A program that the command needs is not installed.',
    remedy: 'Install the package that the error names.',
  },
  NoSubscription: {
    when: 'The caller may see no subscription.',
    remedy: 'Ask the owner for a role, Reader at least.',
  },
  NoTestApi: {
    when: 'No server with a test API runs.',
    remedy: 'Start it with --test-api.',
  },
  NoTrustAnchors: {
    when: 'The roots to verify under cannot be read.',
    remedy: 'Start the server once: it writes them.',
  },
  NodeTooOld: {
    when: 'Node is too old for the server.',
    remedy: 'Install a newer one, or reinstall with the optional dependencies.',
  },
  NonceMismatch: {
    when: 'The token is of another sign-in.',
    remedy: 'Sign in again.',
  },
  NotAnInstallation: {
    when: 'The folder is not a state directory.',
    remedy: 'Set STRONGROOM_STATE_DIR.',
  },
  NotConfirmed: {
    when: 'The command deletes something and was not confirmed.',
    remedy: 'Add --yes.',
  },
  NotFormatted: {
    when: 'A policy has another layout.',
    remedy: 'Format it: `strongroom policy format FILE --write`.',
  },
  NotFound: {
    when: 'There is nothing of this name.',
    remedy: 'List what there is.',
  },
  NotRunning: {
    when: 'No server runs for the state directory.',
    remedy: 'Start it, or set STRONGROOM_STATE_DIR.',
  },
  NotSignedIn: {
    when: 'Nobody is signed in at the portal.',
    remedy: 'Sign in.',
  },
  OriginMismatch: {
    when: 'The key belongs to another log.',
    remedy: 'Give the key of this log.',
  },
  OwnerSignInFailed: {
    when: 'The owner’s sign-in by the local socket failed.',
    remedy: 'Run the command as the user who started the server.',
  },
  PortalFault: {
    when: 'The portal failed.',
    remedy: 'Report it: it is a defect.',
  },
  ProgramFailed: {
    when: 'A program that the command runs failed.',
    remedy: 'Read what it printed.',
  },
  ProvenanceMalformed: {
    when: 'What is said to be the provenance statement of a release is none that our release build makes.',
    remedy: 'Give the file *.provenance.json that came with the release.',
  },
  ProvenanceMismatch: {
    when: 'A file is not what was released under its name, or not by the builder or from the commit that you asked for.',
    remedy: 'Do not use it. Fetch the file and its statement again.',
  },
  ProvenanceNotSigned: {
    when: 'The provenance statement is not signed by the key that you named, or was changed.',
    remedy: 'Do not use the files. Fetch statement and key again, the key over a way that you trust.',
  },
  RememberedCheckpointUnreadable: {
    when: 'What was remembered of the log cannot be read.',
    remedy: 'Restore the file from a backup.',
  },
  ResourceNotFound: {
    when: 'There is no VM of this name.',
    remedy: 'List them: `strongroom vm list`.',
  },
  RootMismatch: {
    when: 'The entries of the log do not hash to the head that it signed.',
    remedy: 'Ask whoever runs the vault why.',
  },
  ServerDied: {
    when: 'The server ended before it was ready.',
    remedy: 'Read server.log.',
  },
  ServerProgramFailed: {
    when: 'A part of the server that the command runs gave no answer.',
    remedy: 'Read what it printed.',
  },
  ServerUnreachable: {
    when: 'The server does not answer.',
    remedy: 'Look at `strongroom status`, and start it.',
  },
  SignatureInvalid: {
    when: 'The log’s head is not signed by its key.',
    remedy: 'Give the right key, or ask whoever runs the vault why.',
  },
  StateMismatch: {
    when: 'The answer to a sign-in is of another one.',
    remedy: 'Sign in again.',
  },
  StillRunning: {
    when: 'The server of the installation runs.',
    remedy: 'Stop it first.',
  },
  TimeIsUp: {
    when: 'Reading the evidence took longer than it may.',
    remedy: 'Give fewer files at once.',
  },
  Unexpected: {
    when: 'The command failed in a way that it does not know.',
    remedy: 'Report it: it is a defect.',
  },
  UnknownAttack: {
    when: 'The drill has no such attack.',
    remedy: 'See `strongroom drill --list`.',
  },
  VaultNotFound: {
    when: 'The portal finds no vault of this name.',
    remedy: 'List the vaults.',
  },
  VmHasOtherSize: {
    when: 'The VM exists with another size.',
    remedy: 'Delete it, or use another state directory.',
  },
  VmNotConfidential: {
    when: 'The VM to be drilled is not confidential.',
    remedy: 'Drill a confidential one.',
  },
  VmNotFound: {
    when: 'The installation has no such VM.',
    remedy: 'List them: `strongroom vm list`.',
  },
  WaitTimedOut: {
    when: 'The VM did not come to the state in time.',
    remedy: 'Wait longer: --timeout.',
  },
} as const

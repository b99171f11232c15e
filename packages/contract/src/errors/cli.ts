/**
 * Errors of `strongroom` itself and of the portal’s pages; they pass on all others. Http404 and similar: a server
 * answered with that status and no code.
 */
export const cliErrors = {
  AlreadyRunning: {
    when: 'A server runs on the state directory, so its VMs cannot be copied.',
    remedy: 'Stop it, then repeat the command.',
  },
  AmbiguousName: {
    when: 'Several VMs have this name.',
    remedy: 'Name the resource group: -g.',
  },
  AskedSettingsExist: {
    when: 'There is another record of what the VM was created with. It is not replaced.',
    remedy: 'Check who created the VM; move the file away if it is not about this one.',
  },
  AskedSettingsUnreadable: {
    when: 'What is saved here about a VM, such as what it was created with, cannot be read.',
    remedy: 'Use the flags that the error names.',
  },
  AttestationProviderUnreachable: {
    when: 'The keys of an attestation provider cannot be fetched.',
    remedy: 'Check that it can be reached from here.',
  },
  AttestationVerifiersInvalid: {
    when: 'The file that names attestation providers of other origins cannot be used.',
    remedy: 'Correct it as described in docs/explanation/trust-report.md.',
  },
  BackupAltered: {
    when: 'A file of a backup is not as it was made, or the host returned another than was asked for.',
    remedy: 'Use an unaltered copy of the folder.',
  },
  BackupIncomplete: {
    when: 'A folder of backups lacks a file or an increment, or they are out of order.',
    remedy: 'Use a complete copy of the folder.',
  },
  BackupKeyRefused: {
    when: 'The key does not open the backup.',
    remedy: 'Use the private half of the key that the backup was made for.',
  },
  BackupNotFound: {
    when: 'Another backup of the VM was begun meanwhile.',
    remedy: 'Repeat the command.',
  },
  BackupNotPossible: {
    when: 'The VM cannot be backed up; the message says why.',
    remedy: 'Copy its data from inside the guest.',
  },
  BackupNotRead: {
    when: 'A manifest of a backup is malformed.',
    remedy: 'Use a folder of `strongroom vm backup`.',
  },
  BackupNotSigned: {
    when: 'A backup is not signed by your SSH key, or not in this place of the folder.',
    remedy: 'Pass the public key that the backup was made with: --ssh-key FILE.',
  },
  CannotSign: {
    when: 'ssh-keygen could not sign.',
    remedy: 'Pass a private key that the VM accepts.',
  },
  ContainersElsewhere: {
    when: 'The container engine that Testcontainers found runs on another machine.',
    remedy: 'Point DOCKER_HOST at a socket of this machine, or use the package’s start().',
  },
  ControlFailed: {
    when: 'The drill’s control run failed, so its attacks prove nothing.',
    remedy: 'Check that the VM starts and is trusted, then run the drill again.',
  },
  DiskExists: {
    when: 'A disk that would be restored has the name of an existing one. It is not changed.',
    remedy: 'Restore under another name or into another group.',
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
    when: 'A file is missing or malformed.',
    remedy: 'Check its name.',
  },
  FileNotWritten: {
    when: 'A file cannot be written.',
    remedy: 'Choose a path you can write to.',
  },
  FileTooLarge: {
    when: 'A file is larger than any evidence.',
    remedy: 'Pass the evidence itself.',
  },
  ImageBuildFailed: {
    when: 'The image was not built.',
    remedy: 'See the output of the build.',
  },
  ImageNotBuilt: {
    when: 'The reference image is not built yet.',
    remedy: 'Build it: `strongroom image build`.',
  },
  InstallationChanged: {
    when: 'Files of the installation changed during a drill.',
    remedy: 'Do not let anything else write to it.',
  },
  Interrupted: {
    when: 'The drill was interrupted. The VM is unchanged.',
    remedy: 'Drill again.',
  },
  InvalidArgument: {
    when: 'An argument has an invalid value.',
    remedy: 'Use one that the error lists.',
  },
  InvalidPolicy: {
    when: 'An evidence policy is malformed.',
    remedy: 'See docs/reference/policies.md#the-policy-of-evidence-verify.',
  },
  InvalidReleasePolicy: {
    when: 'A release policy is malformed.',
    remedy: 'Correct it at the place that the error names.',
  },
  KeptHeadUnreadable: {
    when: 'The browser’s saved state of a log cannot be read.',
    remedy: 'Delete it only if you accept that earlier changes to the log go unnoticed.',
  },
  KeyAttestationRefused: {
    when: 'The statement about a key was not signed by the key service.',
    remedy: 'Fetch it again, and get ca.pem over a channel you trust.',
  },
  LogCut: {
    when: 'The log is shorter than it was when it was last verified.',
    remedy: 'Ask whoever runs the vault why.',
  },
  LogForked: {
    when: 'The log is not a continuation of the one last verified.',
    remedy: 'Ask whoever runs the vault why.',
  },
  LogKeyChanged: {
    when: 'The log is signed by a different key than at the last verification.',
    remedy: 'Ask whoever runs the vault why.',
  },
  Malformed: {
    when: 'The log is malformed.',
    remedy: 'Ask whoever runs the vault why.',
  },
  Missing: {
    when: 'The log lacks entries that its checkpoint covers.',
    remedy: 'Ask whoever runs the vault why.',
  },
  MissingProgram: {
    when: 'A program that the command needs is not installed.',
    remedy: 'Install the package that the error names.',
  },
  NoSubscription: {
    when: 'The caller cannot see any subscription.',
    remedy: 'Ask the owner for a role, at least Reader.',
  },
  NoTestApi: {
    when: 'No server with a test API is running.',
    remedy: 'Start it with --test-api.',
  },
  NoTrustAnchors: {
    when: 'The trust roots cannot be read.',
    remedy: 'Start the server once: it writes them.',
  },
  NodeTooOld: {
    when: 'Node is too old for the server.',
    remedy: 'Install a newer one, or reinstall with the optional dependencies.',
  },
  NonceMismatch: {
    when: 'The token belongs to another sign-in.',
    remedy: 'Sign in again.',
  },
  NotAnInstallation: {
    when: 'The folder is not a state directory.',
    remedy: 'Set STRONGROOM_STATE_DIR.',
  },
  NotConfirmed: {
    when: 'The command deletes something and needs confirmation.',
    remedy: 'Add --yes.',
  },
  NotFormatted: {
    when: 'A policy is not in the canonical layout.',
    remedy: 'Format it: `strongroom policy format FILE --write`.',
  },
  NotFound: {
    when: 'Nothing has this name.',
    remedy: 'List the existing ones.',
  },
  NotRunning: {
    when: 'No server is running for the state directory.',
    remedy: 'Start it, or set STRONGROOM_STATE_DIR.',
  },
  NotSignedIn: {
    when: 'Nobody is signed in at the portal.',
    remedy: 'Sign in.',
  },
  OriginMismatch: {
    when: 'The key belongs to another log.',
    remedy: 'Pass the key of this log.',
  },
  OwnerSignInFailed: {
    when: 'The owner’s sign-in through the local socket failed.',
    remedy: 'Run the command as the user who started the server.',
  },
  ParavisorNotTrusted: {
    when: 'The paravisor that would be given the key of a backup is not genuine, or was launched for another VM or backup.',
    remedy: 'Delete the VM, and check who runs the host.',
  },
  PortalFault: {
    when: 'The portal failed.',
    remedy: 'Report it: this is a bug.',
  },
  ProgramFailed: {
    when: 'A program that the command runs failed.',
    remedy: 'See its output.',
  },
  ProvisioningFailed: {
    when: 'The VM was not created from the backup.',
    remedy: 'Delete it, and repeat the command.',
  },
  ProvenanceMalformed: {
    when: 'The file is not a provenance statement of a Strongroom release.',
    remedy: 'Pass the *.provenance.json file that came with the release.',
  },
  ProvenanceMismatch: {
    when: 'A file is not what was released under its name, or was built by another builder or from another commit than you asked for.',
    remedy: 'Do not use it. Fetch the file and its statement again.',
  },
  ProvenanceNotSigned: {
    when: 'The provenance statement is not signed by the key you named, or was changed.',
    remedy: 'Do not use the files. Fetch the statement and the key again, the key over a channel you trust.',
  },
  RememberedCheckpointUnreadable: {
    when: 'The saved state of the log cannot be read.',
    remedy: 'Restore the file from a backup.',
  },
  ResourceNotFound: {
    when: 'There is no VM with this name.',
    remedy: 'List them: `strongroom vm list`.',
  },
  RootMismatch: {
    when: 'The entries of the log do not hash to its signed head.',
    remedy: 'Ask whoever runs the vault why.',
  },
  FirmwareNotListed: {
    when: 'The installation’s signed list has no such firmware.',
    remedy: 'See `strongroom firmware list`.',
  },
  SecureBootUnknown: {
    when: 'The VM has not reported a boot with Secure Boot, so its variables are not known.',
    remedy: 'Start it, and wait until it is ready.',
  },
  SecureBootUpdateRefused: {
    when: 'The VM’s firmware would not take a signed update of a Secure Boot variable.',
    remedy: 'Sign it with a key that KEK holds (db, dbx) or PK (KEK, PK).',
  },
  ServerDied: {
    when: 'The server ended before it was ready.',
    remedy: 'Read server.log.',
  },
  ServerProgramFailed: {
    when: 'A part of the server that the command runs did not answer.',
    remedy: 'See its output.',
  },
  ServerUnreachable: {
    when: 'The server does not answer.',
    remedy: 'Look at `strongroom status`, and start it.',
  },
  SignatureInvalid: {
    when: 'The log’s head is not signed by its key.',
    remedy: 'Pass the right key, or ask whoever runs the vault why.',
  },
  SizeNeedsConversion: {
    when: 'The VM would change between AMD SEV-SNP and Intel TDX. It is not changed.',
    remedy:
      'Use a size of the same silicon, or convert the VM: docs/guides/virtual-machines.md#between-amd-sev-snp-and-intel-tdx.',
  },
  StateMismatch: {
    when: 'The response belongs to another sign-in.',
    remedy: 'Sign in again.',
  },
  StillRunning: {
    when: 'The installation’s server is running.',
    remedy: 'Stop it first.',
  },
  TimeIsUp: {
    when: 'Reading the evidence took too long.',
    remedy: 'Pass fewer files at once.',
  },
  TrustAnchorsChanged: {
    when: 'The roots of the installation are not those that you first used it with.',
    remedy:
      'If you recreated the installation, remove the file that the message names; otherwise do not trust its VMs.',
  },
  Unexpected: {
    when: 'The command failed unexpectedly.',
    remedy: 'Report it: this is a bug.',
  },
  UnknownAttack: {
    when: 'The drill has no such attack.',
    remedy: 'See `strongroom drill --list`.',
  },
  VaultNotFound: {
    when: 'The portal finds no vault of this name.',
    remedy: 'List the vaults.',
  },
  VmExists: {
    when: 'The VM to create exists. It is not changed.',
    remedy: 'Resize it: `strongroom vm resize`; or delete it first.',
  },
  VmHasOtherSize: {
    when: 'The VM exists with another size.',
    remedy: 'Delete it, or use another state directory.',
  },
  VmHasThisSize: {
    when: 'The VM to resize has this size already.',
    remedy: 'Name another size.',
  },
  VmNotConfidential: {
    when: 'The VM to drill is not confidential.',
    remedy: 'Use a confidential VM.',
  },
  VmNotFound: {
    when: 'The installation has no such VM.',
    remedy: 'List them: `strongroom vm list`.',
  },
  VmNotTrusted: {
    when: 'A VM is to be backed up, or connected to, whose trust report does not hold.',
    remedy: 'Check `strongroom vm trust`.',
  },
  VmWithoutHostKey: {
    when: 'The VM’s guest measured that it has no SSH host key.',
    remedy: 'Create an Ed25519 host key in the guest and restart the VM.',
  },
  WaitTimedOut: {
    when: 'The VM did not reach the state in time.',
    remedy: 'Wait longer: --timeout.',
  },
} as const

/** What prevents a server from starting, or an installation from being created. */
export const startErrors = {
  AttestationVerifiersInvalid: {
    status: 500,
    when: 'The file that names attestation providers of other origins cannot be used.',
    remedy: 'Correct it as described in docs/explanation/trust-report.md, or remove it.',
  },
  AuthorityUnreadable: {
    status: 500,
    when: 'The key of the certification authority does not belong to the master key.',
    remedy: 'Restore the master key and the state directory from the same backup.',
  },
  BackupAltered: {
    status: 409,
    when: 'A backup of an installation is not as it was written.',
    remedy: 'Use an unaltered copy of the file.',
  },
  BackupIncomplete: {
    status: 409,
    when: 'A backup of an installation was cut off.',
    remedy: 'Use a complete copy of the file.',
  },
  BackupKeyRefused: {
    status: 409,
    when: 'The key or passphrase does not open the backup of an installation, or is not one that a backup can be made for.',
    remedy: 'Use the private half of the key, or the passphrase, that the backup was made for.',
  },
  BackupNotRead: {
    status: 409,
    when: 'The file is not a backup of an installation, or is one of another version.',
    remedy: 'Pass the file of `strongroom installation backup`.',
  },
  DatabaseTooNew: {
    status: 500,
    when: 'A database was written by a newer Strongroom.',
    remedy: 'Start the newer version, or restore the backup from before the upgrade.',
  },
  InstallationComputeFixed: {
    status: 409,
    when: 'An installation that boots guests was started with simulated compute, or vice versa.',
    remedy: 'Use another state directory for the other kind.',
  },
  InstallationExists: {
    status: 409,
    when: 'A backup of an installation is restored into a directory that is not empty.',
    remedy: 'Set STRONGROOM_STATE_DIR to another directory.',
  },
  InstallationModeFixed: {
    status: 409,
    when: 'An installation was started in a different mode than it was created in.',
    remedy: 'Use another state directory for the other mode.',
  },
  InstallationStoresFixed: {
    status: 409,
    when: 'An installation that keeps its stores in PostgreSQL was started without --store-url-file, or vice versa.',
    remedy: 'Pass --store-url-file as when the installation was created, or use another state directory.',
  },
  InstallationUnreadable: {
    status: 500,
    when: 'A file of the installation is damaged.',
    remedy: 'Restore it from a backup, or remove the installation with `strongroom reset`.',
  },
  InvalidArgument: {
    status: 400,
    when: 'A flag or an environment variable of the server has an invalid value.',
    remedy: 'Use a value that the error lists.',
  },
  InvalidPort: {
    status: 400,
    when: 'The ports of an installation are equal or invalid.',
    remedy: 'Use other ports.',
  },
  InvalidStoreUrl: {
    status: 500,
    when: 'The store URL names an unknown engine, or a server that cannot be found.',
    remedy: 'Correct the file passed as --store-url-file.',
  },
  MasterKeyInState: {
    status: 500,
    when: 'The master key is inside the state directory, so a copy of the state would contain it.',
    remedy: 'Point STRONGROOM_MASTER_KEY_FILE or XDG_CONFIG_HOME elsewhere.',
  },
  MasterKeyInvalid: {
    status: 500,
    when: 'The master key file does not contain a key.',
    remedy: 'Restore it from its backup.',
  },
  MasterKeyMissing: {
    status: 500,
    when: 'The installation’s master key is missing.',
    remedy: 'Restore it from its backup.',
  },
  MasterKeyWrong: {
    status: 500,
    when: 'The master key does not decrypt the installation.',
    remedy: 'Use the right one, or restore it and the state directory from the same backup.',
  },
  MissingProgram: {
    status: 500,
    when: 'A program that the server needs is not installed.',
    remedy: 'Install the package that the error names.',
  },
  NoMemoryBackedStorage: {
    status: 500,
    when: 'There is no memory-backed directory for secrets.',
    remedy: 'Mount a tmpfs at /dev/shm.',
  },
  NotTemporary: {
    status: 400,
    when: 'The folder for a temporary run cannot safely be deleted with its contents.',
    remedy: 'Leave --temporary-home out, or pass a folder created for this run.',
  },
  NothingHeld: {
    status: 409,
    when: 'States of VMs are accepted in an installation that was not restored from a backup, or where they already were.',
    remedy: 'Start it: strongroom up --no-vm.',
  },
  PassphraseMissing: {
    status: 500,
    when: 'The master key is protected by a passphrase, and none was given.',
    remedy: 'Put it into a file of mode 0600 and pass the file’s path.',
  },
  PassphraseTooShort: {
    status: 400,
    when: 'The passphrase is too short to protect a master key.',
    remedy: 'Choose a longer one, for example six random words.',
  },
  PortTaken: {
    status: 409,
    when: 'Another program uses a port of the server.',
    remedy: 'Stop that program, or use another port.',
  },
  PortUnusable: {
    status: 409,
    when: 'A port of the server cannot be used.',
    remedy: 'Use another port.',
  },
  PublicNamesRefused: {
    status: 409,
    when: 'The server cannot answer to Azure’s own names for the requesting shell.',
    remedy: 'Follow the error’s remedy.',
  },
  RestartNotOffered: {
    status: 409,
    when: 'The server was not started by `strongroom up`, which holds its ports while it restarts.',
    remedy: 'Restart it with the program that runs it.',
  },
  RootKeyUnreadable: {
    status: 500,
    when: 'The root key of the installation cannot be read.',
    remedy: 'Restore it from a backup of the state directory.',
  },
  SecretFileExposed: {
    status: 500,
    when: 'A file that holds a secret is accessible to other users.',
    remedy: 'Give it mode 0600.',
  },
  StoreAltered: {
    status: 500,
    when: 'A database is not in the state this server last wrote.',
    remedy: 'Restore the newest backup, and find out who wrote to it.',
  },
  StoreUnbound: {
    status: 500,
    when: 'The rows of a database carry no authentication codes.',
    remedy: 'Start an installation from an earlier version once with STRONGROOM_BIND_ROWS=1.',
  },
  StoreUnreadable: {
    status: 500,
    when: 'A database cannot be opened.',
    remedy: 'Restore it from a backup, or remove the installation with `strongroom reset`.',
  },
  TpmUnusable: {
    status: 500,
    when: 'This host’s TPM does not release the master key.',
    remedy: 'Start on the host whose TPM sealed it, as a user who may use it.',
  },
} as const

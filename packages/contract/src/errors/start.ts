/** What keeps a server from starting, and an installation from being made. */
export const startErrors = {
  AttestationVerifiersInvalid: {
    status: 500,
    when: 'The file that names attestation providers of other origins cannot be used.',
    remedy: 'Correct it as docs/trust-report.md describes it, or remove it.',
  },
  AuthorityUnreadable: {
    status: 500,
    when: 'The key of the certification authority does not belong to the master key.',
    remedy: 'Restore the master key and the state directory from the same backup.',
  },
  DatabaseTooNew: {
    status: 500,
    when: 'A database was written by a newer Strongroom.',
    remedy: 'Start the newer version, or restore the backup from before the upgrade.',
  },
  InstallationComputeFixed: {
    status: 409,
    when: 'An installation that boots guests was started with simulated compute, or the other way round.',
    remedy: 'Use another state directory for the other kind.',
  },
  InstallationModeFixed: {
    status: 409,
    when: 'An installation was started in the other mode than it was made in.',
    remedy: 'Use another state directory for the other mode.',
  },
  InstallationStoresFixed: {
    status: 409,
    when: 'An installation that keeps its stores in PostgreSQL was started without --store-url-file, or the other way round.',
    remedy: 'Give --store-url-file as when the installation was made, or use another state directory.',
  },
  InstallationUnreadable: {
    status: 500,
    when: 'A file of the installation is damaged.',
    remedy: 'Restore it from a backup, or remove the installation with `strongroom reset`.',
  },
  InvalidArgument: {
    status: 400,
    when: 'A flag or an environment variable of the server has a value that it cannot have.',
    remedy: 'Give it a value that the error names.',
  },
  InvalidPort: {
    status: 400,
    when: 'The ports of an installation were given twice, or are none.',
    remedy: 'Give other ports.',
  },
  InvalidStoreUrl: {
    status: 500,
    when: 'The URL of the stores names no known engine, or no server that can be found.',
    remedy: 'Correct the file that --store-url-file names.',
  },
  MasterKeyInState: {
    status: 500,
    when: 'The master key lies under the state directory, so that a copy of the state would have it.',
    remedy: 'Point STRONGROOM_MASTER_KEY_FILE or XDG_CONFIG_HOME elsewhere.',
  },
  MasterKeyInvalid: {
    status: 500,
    when: 'The master key file holds no key.',
    remedy: 'Restore it from its backup.',
  },
  MasterKeyMissing: {
    status: 500,
    when: 'The master key of the installation is not there.',
    remedy: 'Restore it from its backup.',
  },
  MasterKeyWrong: {
    status: 500,
    when: 'The master key does not open the installation.',
    remedy: 'Give the right one, or restore it and the state directory from the same backup.',
  },
  MissingProgram: {
    status: 500,
    when: 'A program that the server needs is not installed.',
    remedy: 'Install the package that the error names.',
  },
  NoMemoryBackedStorage: {
    status: 500,
    when: 'No memory-backed directory is there for secrets.',
    remedy: 'Mount a tmpfs at /dev/shm.',
  },
  NotTemporary: {
    status: 400,
    when: 'The folder for a temporary run is not one that may be removed with all in it.',
    remedy: 'Leave --temporary-home out, or name a folder made for this run.',
  },
  PassphraseMissing: {
    status: 500,
    when: 'The master key hangs on a passphrase, and nobody gives it.',
    remedy: 'Put it into a file of mode 0600 and name the file.',
  },
  PassphraseTooShort: {
    status: 400,
    when: 'The passphrase is too short to keep a master key.',
    remedy: 'Choose a longer one, for example six random words.',
  },
  PortTaken: {
    status: 409,
    when: 'A port of the server is taken by another program.',
    remedy: 'End that program, or give another port.',
  },
  PortUnusable: {
    status: 409,
    when: 'A port of the server cannot be used.',
    remedy: 'Give another port.',
  },
  PublicNamesRefused: {
    status: 409,
    when: 'The server cannot answer to Azure’s own names for the shell that asks.',
    remedy: 'Do what the error’s remedy says.',
  },
  RootKeyUnreadable: {
    status: 500,
    when: 'The root key of the installation cannot be read.',
    remedy: 'Restore it from a backup of the state directory.',
  },
  SecretFileExposed: {
    status: 500,
    when: 'A file that holds a secret is open to other users.',
    remedy: 'Give it mode 0600.',
  },
  StoreAltered: {
    status: 500,
    when: 'A database is not the one that this server wrote last.',
    remedy: 'Restore the newest backup, and find out who wrote to it.',
  },
  StoreUnbound: {
    status: 500,
    when: 'The rows of a database carry no authentication codes.',
    remedy: 'Start an installation of an earlier version once with STRONGROOM_BIND_ROWS=1.',
  },
  StoreUnreadable: {
    status: 500,
    when: 'A database cannot be opened.',
    remedy: 'Restore it from a backup, or remove the installation with `strongroom reset`.',
  },
  TpmUnusable: {
    status: 500,
    when: 'The TPM of this machine does not give the master key.',
    remedy: 'Start on the machine whose TPM sealed it, as a user who may use it.',
  },
} as const

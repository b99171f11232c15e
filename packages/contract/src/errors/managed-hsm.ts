/** Managed HSMs besides keys: activation, local roles, backups, settings. */
export const managedHsmErrors = {
  BuiltInRole: {
    status: 409,
    when: 'The request changes a built-in role of a managed HSM.',
    remedy: 'Create a custom role.',
  },
  HsmNotActivated: {
    when: 'The security domain of the managed HSM was never downloaded or uploaded.',
    remedy: 'Download its security domain, or upload one.',
  },
  JobNotFound: {
    status: 404,
    when: 'There is no such backup, restore or upload.',
    remedy: 'Use the address from the response that started it.',
  },
  ManagedHsmNotFound: {
    status: 404,
    when: 'There is no such managed HSM.',
    remedy: 'Check its name, or recover it if it was deleted.',
  },
  RoleAssignmentExists: {
    status: 409,
    when: 'The role is already assigned.',
    remedy: 'Use the existing assignment.',
  },
  RoleAssignmentLimitExceeded: {
    status: 409,
    when: 'The managed HSM has reached its limit on role assignments.',
    remedy: 'Delete unused ones.',
  },
  RoleAssignmentNotFound: {
    status: 404,
    when: 'There is no such role assignment in the managed HSM.',
    remedy: 'List them: az keyvault role assignment list.',
  },
  RoleDefinitionHasAssignments: {
    status: 409,
    when: 'The role is assigned to somebody.',
    remedy: 'Delete its assignments first.',
  },
  RoleDefinitionLimitExceeded: {
    status: 409,
    when: 'The managed HSM has reached its limit on custom roles.',
    remedy: 'Delete unused ones.',
  },
  RoleDefinitionNotFound: {
    status: 404,
    when: 'There is no such role in the managed HSM.',
    remedy: 'List them: az keyvault role definition list.',
  },
  RoleDefinitionWithSameNameExists: {
    status: 409,
    when: 'A custom role of this name exists.',
    remedy: 'Use another name.',
  },
  SettingNotFound: {
    status: 404,
    when: 'A managed HSM has no such setting.',
    remedy: 'List them: GET /settings.',
  },
} as const

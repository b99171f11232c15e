/** What every resource has: scopes, roles, locks, tags, moves. */
export const armErrors = {
  AuthorizationFailed: {
    status: 403,
    when: 'The caller has no role that allows the action at this scope.',
    remedy: 'Ask an owner of the subscription for a role at the scope.',
  },
  BadRequest: {
    status: 400,
    when: 'A property has a value that the resource type does not know.',
    remedy: 'Use one of the expected values.',
  },
  CannotDeleteResource: {
    status: 409,
    when: 'The resource has nested resources.',
    remedy: 'Delete what is in it first.',
  },
  CannotModifyBuiltInRole: {
    status: 403,
    when: 'A built-in role was to be changed or deleted.',
    remedy: 'Make a role of your own.',
  },
  Conflict: {
    status: 409,
    when: 'The resource was changed by another request, or is in a state in which the request cannot be met.',
    remedy: 'Read the resource again, then repeat the request.',
  },
  DenyAssignmentNotFound: {
    status: 404,
    when: 'There is no such deny assignment.',
    remedy: 'Keep changes off with a lock: Azure alone makes deny assignments.',
  },
  FaqRule: {
    when: 'The refusal follows from a rule of Azure’s FAQ for confidential VMs; `target` names the rule.',
    remedy: 'Read docs/faq.md.',
  },
  FeatureNotFound: {
    status: 404,
    when: 'There is no such preview feature to register.',
    remedy: 'Leave the registration out: what is offered needs none.',
  },
  FeatureUnregistrationNotSupported: {
    status: 409,
    when: 'A feature that is not a preview was to be unregistered.',
    remedy: 'Leave the feature as it is.',
  },
  HttpMethodNotAllowed: {
    status: 405,
    when: 'The resource type has no such method.',
    remedy: 'Use a method that the Allow header names.',
  },
  InvalidActionOrNotAction: {
    status: 400,
    when: 'A role definition names an action in another form.',
    remedy: 'Name it as Microsoft.Compute/*/read.',
  },
  InvalidApiVersionParameter: {
    status: 400,
    when: 'The api-version is none that Azure has.',
    remedy: 'Use the api-version of your client.',
  },
  InvalidAssignableScope: {
    status: 400,
    when: 'A role definition is to be assignable at a scope that is not of this installation.',
    remedy: 'Name scopes of this tenant and subscription.',
  },
  InvalidFilterInQueryString: {
    status: 400,
    when: 'A $filter is not understood.',
    remedy: 'Use a filter that docs/azure-clients.md lists.',
  },
  InvalidLock: {
    status: 400,
    when: 'A lock has another form.',
    remedy: 'Send level CanNotDelete or ReadOnly.',
  },
  InvalidParameter: {
    status: 400,
    when: 'A parameter has a value that it cannot have.',
    remedy: 'Send what the error’s expected says.',
  },
  InvalidPrincipalId: {
    status: 400,
    when: 'A role assignment names a principal that is not a GUID.',
    remedy: 'Send the object id of the principal.',
  },
  InvalidQuery: {
    status: 400,
    when: 'A Resource Graph query is not understood.',
    remedy: 'docs/azure-clients.md lists what of Kusto is.',
  },
  InvalidQueryParameterValue: {
    status: 400,
    when: 'A page is asked for by a token that was not given out.',
    remedy: 'Follow nextLink as it is.',
  },
  InvalidRequestContent: {
    status: 400,
    when: 'The body is not JSON, or a member of it has another form.',
    remedy: 'Send what the error’s expected says.',
  },
  InvalidRequestUri: {
    status: 400,
    when: 'The path of the request is not well formed.',
    remedy: 'Percent-encode the path.',
  },
  InvalidResourceGroupLocation: {
    status: 409,
    when: 'The resource group exists in another location.',
    remedy: 'Use the location that it has, or another name.',
  },
  InvalidResourceLocation: {
    status: 409,
    when: 'A resource of this name exists in another location.',
    remedy: 'Leave the location as it is.',
  },
  InvalidResourceName: {
    status: 400,
    when: 'The name has characters or a length that the resource type does not allow.',
    remedy: 'Use another name.',
  },
  InvalidResourceNamespace: {
    status: 404,
    when: 'There is no resource provider of this namespace.',
    remedy: 'List them: az provider list.',
  },
  InvalidResourceReference: {
    status: 400,
    when: 'The body refers to a resource that does not exist or is of another type.',
    remedy: 'Make that resource first.',
  },
  InvalidResourceType: {
    status: [400, 404],
    when: 'The installation has no such resource type.',
    remedy: 'docs/resource-types.md lists those that it has.',
  },
  InvalidRoleAssignmentId: {
    status: 400,
    when: 'The name of a role assignment is not a GUID.',
    remedy: 'Use a new GUID.',
  },
  InvalidRoleDefinitionId: {
    status: 400,
    when: 'The name of a role definition is not a GUID.',
    remedy: 'Use a new GUID.',
  },
  InvalidTag: {
    status: 400,
    when: 'A tag exceeds one of Azure’s limits.',
    remedy: 'Use fewer or shorter tags.',
  },
  LastOwnerCannotBeRemoved: {
    status: 409,
    when: 'The last owner of the subscription was to be removed.',
    remedy: 'Make another principal owner first.',
  },
  LinkedAuthorizationFailed: {
    status: 403,
    when: 'The caller may write the resource, but not use another one that it refers to.',
    remedy: 'Ask an owner for a role at the linked scope.',
  },
  LocationNotAvailableForResourceType: {
    status: 400,
    when: 'The installation has no such region.',
    remedy: 'Use a region of it: az account list-locations.',
  },
  LocationRequired: {
    status: 400,
    when: 'The location is missing.',
    remedy: 'Send one: --location.',
  },
  LockNotFound: {
    status: 404,
    when: 'There is no such lock.',
    remedy: 'List them: az lock list.',
  },
  ManagementGroupNotFound: {
    status: 404,
    when: 'There is no such management group.',
    remedy: 'Use the tenant’s root group: its name is the tenant’s id.',
  },
  MissingApiVersionParameter: {
    status: 400,
    when: 'The request has no api-version.',
    remedy: 'Add one to the query.',
  },
  NoRegisteredProviderFound: {
    status: 400,
    when: 'The resource type is not offered in this location.',
    remedy: 'Use a region of the installation.',
  },
  NotFound: {
    status: 404,
    when: 'There is nothing of this name.',
    remedy: 'Check the name.',
  },
  NotSupported: {
    status: [400, 409],
    when: 'Azure can do it, and this installation, or a confidential VM, cannot.',
    remedy: 'Do what the error’s remedy says.',
  },
  OperationNotAllowed: {
    status: [400, 409],
    when: 'The resource is used by others, is in another state, or a quota is used up.',
    remedy: 'Do what the error’s remedy says.',
  },
  OperationNotFound: {
    status: 404,
    when: 'There is no operation of this id.',
    remedy: 'Use the address that the request was answered with.',
  },
  PreconditionFailed: {
    status: 412,
    when: 'The condition of If-Match or If-None-Match was not met.',
    remedy: 'Read the resource again and repeat the change on what it is now.',
  },
  PropertyChangeNotAllowed: {
    status: 409,
    when: 'A property was to be changed that is fixed when the resource is made.',
    remedy: 'Make a new resource.',
  },
  ResourceGroupBeingDeleted: {
    status: 409,
    when: 'The resource group is being deleted.',
    remedy: 'Wait until it is gone.',
  },
  ResourceGroupDeletionBlocked: {
    status: 409,
    when: 'Resources of the group are used by resources of other groups.',
    remedy: 'Delete what uses them, then delete the group again.',
  },
  ResourceGroupNameInvalid: {
    status: 400,
    when: 'The name of a resource group has characters or a length that is not allowed.',
    remedy: 'Use another name.',
  },
  ResourceGroupNotFound: {
    status: 404,
    when: 'There is no such resource group.',
    remedy: 'Make it: az group create.',
  },
  ResourceMoveConflict: {
    when: 'The target group has a resource of this type and name.',
    remedy: 'Use another group.',
  },
  ResourceMoveNotSupported: {
    when: 'A resource of this type, or in this use, cannot be moved.',
    remedy: 'Leave it where it is, or move what it belongs to.',
  },
  ResourceMoveProviderValidationFailed: {
    status: 409,
    when: 'One of the resources cannot be moved; the details say which and why.',
    remedy: 'Leave it out, or put right what the details say.',
  },
  ResourceNotFound: {
    status: [400, 404],
    when: 'There is no such resource.',
    remedy: 'Check its id, or make it first.',
  },
  ResourceNotReadyForMove: {
    when: 'An operation of the resource is under way, or it is not in a settled state.',
    remedy: 'Wait until it is ready.',
  },
  RoleAssignmentExists: {
    status: 409,
    when: 'The same role is assigned to the same principal at this scope.',
    remedy: 'Use the assignment that is there.',
  },
  RoleAssignmentNotFound: {
    status: 404,
    when: 'There is no such role assignment.',
    remedy: 'List them: az role assignment list.',
  },
  RoleAssignmentUpdateNotPermitted: {
    status: 409,
    when: 'A role assignment was to be changed.',
    remedy: 'Delete it and make a new one.',
  },
  RoleDefinitionDoesNotExist: {
    status: [400, 404],
    when: 'There is no such role definition.',
    remedy: 'List them: az role definition list.',
  },
  RoleDefinitionHasAssignments: {
    status: 400,
    when: 'The role is assigned to somebody.',
    remedy: 'Delete its assignments first.',
  },
  RoleDefinitionLimitExceeded: {
    status: 400,
    when: 'There are as many custom roles as there may be.',
    remedy: 'Delete roles that are not used.',
  },
  RoleDefinitionNameInvalid: {
    status: 400,
    when: 'The name of a role has no characters or too many.',
    remedy: 'Use 1 to 512 characters.',
  },
  RoleDefinitionNotAssignableAtScope: {
    status: 400,
    when: 'The role cannot be assigned at this scope.',
    remedy: 'Add the scope to the assignableScopes of the role.',
  },
  RoleDefinitionPermissionsMissing: {
    status: 400,
    when: 'A role definition has no permissions.',
    remedy: 'Send a list of permissions.',
  },
  RoleDefinitionWithSameNameExists: {
    status: 409,
    when: 'A custom role of this name exists.',
    remedy: 'Use another name.',
  },
  ScopeLocked: {
    status: 409,
    when: 'The resource, its group or its subscription is locked.',
    remedy: 'Delete the lock: az lock delete.',
  },
  SubscriptionNotFound: {
    status: 404,
    when: 'The installation has no such subscription.',
    remedy: 'Use the one that `strongroom status` shows.',
  },
  UnmatchedPrincipalType: {
    status: 400,
    when: 'The principal is of another type than the request says.',
    remedy: 'Leave principalType out, or send what the principal is.',
  },
} as const

package app

import (
	"testing"

	"github.com/paddock-run/paddock/internal/restapi"
)

type knownLinks map[string]string

func (k knownLinks) VPCLinkTarget(account, region, id string) string {
	return k[account+"/"+region+"/"+id]
}

func TestVPCLinksLeadWhereTheOperatorSays(t *testing.T) {
	const nlb, listener = "arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/net/a/b", "arn:aws:elasticloadbalancing:us-east-1:1:listener/app/c/d/e"
	v := &vpcLinks{targets: map[string]string{"byid": "a:1", nlb: "b:2", listener: "c:3"}, links: knownLinks{"1/us-east-1/made": nlb, "1/us-east-1/other": "arn:x"}}
	api := &restapi.API{Account: "1", Region: "us-east-1"}
	for _, c := range []struct{ id, listener, want string }{
		{"byid", "", "a:1"}, {"byid", listener, "a:1"}, {"made", "", "b:2"}, {"v2", listener, "c:3"},
		{"other", "", ""}, {"unknown", "", ""}, {"", "", ""},
	} {
		if got := v.Target(api, c.id, c.listener); got != c.want {
			t.Errorf("%s %s leads to %q, want %q", c.id, c.listener, got, c.want)
		}
	}
	if got := v.Target(&restapi.API{Account: "2", Region: "us-east-1"}, "made", ""); got != "" {
		t.Errorf("another account's link leads to %q", got)
	}
}

func TestCheckVPCLinks(t *testing.T) {
	if err := checkVPCLinks(map[string]string{"a": "localhost:80", "b": "[::1]:8080"}); err != nil {
		t.Error(err)
	}
	for link, target := range map[string]string{"a": "localhost", "b": "localhost:", "c": ":80", "d": "localhost:0", "e": "localhost:http", "": "a:1"} {
		if checkVPCLinks(map[string]string{link: target}) == nil {
			t.Errorf("%s=%s was taken", link, target)
		}
	}
}
